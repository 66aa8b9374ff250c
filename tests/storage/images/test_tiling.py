"""Tiles in a folder by their names, against names that the two formats' texts give."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from storage.box import Box
from storage.errors import ImageError
from storage.images.place import find_place
from storage.images.tiling import Tiling, find_tiling

DZI = (
    '<?xml version="1.0"?><Image xmlns="http://schemas.microsoft.com/deepzoom/2008" Format="{format}"'
    ' Overlap="{overlap}" TileSize="254"><Size Height="{height}" Width="600"/></Image>'
)
INFO: dict[str, Any] = {
    "@context": "http://iiif.io/api/image/3/context.json",
    "protocol": "http://iiif.io/api/image",
    "type": "ImageService3",
    "height": 300,
    "width": 600,
    "tiles": [{"width": 256, "scaleFactors": [1, 2]}],
    "preferredFormats": ["png"],
}


def deep_zoom(folder: Path, **other: Any) -> Tiling | None:
    (folder / "a.dzi").write_text(DZI.format(**({"format": "png", "overlap": 1, "height": 300} | other)))
    return find_tiling(find_place(str(folder / "a.dzi")))


def iiif(folder: Path, **other: Any) -> Tiling | None:
    folder.mkdir(exist_ok=True)
    (folder / "info.json").write_text(json.dumps(INFO | other))
    return find_tiling(find_place(str(folder)))


def test_a_deep_zoom_picture_is_its_highest_level(tmp_path: Path) -> None:
    found = deep_zoom(tmp_path)
    assert found is not None
    assert (found.grid, found.canvas) == ((2, 3), Box(top=0, left=0, height=300, width=600))
    # 2 ** 10 is the first power of two that holds 600
    assert found.path(1, 2) == tmp_path / "a_files" / "10" / "2_1.png"
    assert found.box(0, 0) == Box(top=0, left=0, height=255, width=255)
    assert found.box(1, 1) == Box(top=253, left=253, height=47, width=256)
    assert found.core(1, 2) == Box(top=254, left=508, height=46, width=92)
    assert len(list(found.files())) == 1 + 6


def test_an_iiif_picture_is_what_its_regions_show(tmp_path: Path) -> None:
    found = iiif(tmp_path / "a.iiif")
    assert found is not None
    assert found.path(1, 2) == tmp_path / "a.iiif" / "512,256,88,44" / "88,44" / "0" / "default.png"
    whole = iiif(tmp_path / "b.iiif", height=200, width=250)
    assert whole is not None
    assert whole.path(0, 0) == tmp_path / "b.iiif" / "full" / "max" / "0" / "default.png"


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"format": "tiff"}, "its tiles are 'tiff'; expected one of png"),
        ({"overlap": 300}, "expected a Overlap of 0 to 254, got '300'"),
        ({"height": 0}, "expected a Height of 1 to"),
        ({"height": "&b;"}, "is no XML that can be read"),
    ],
)
def test_a_deep_zoom_text_that_is_damaged_is_named(tmp_path: Path, other: dict[str, Any], said: str) -> None:
    with pytest.raises(ImageError, match=said):
        deep_zoom(tmp_path, **other)


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"type": "ImageService2"}, "expected an ImageService3 of IIIF Image API 3"),
        ({"tiles": [{"width": 256, "scaleFactors": [2]}]}, "with tiles of scale factor 1"),
        ({"height": None}, "expected a height of 1 to"),
        ({"preferredFormats": ["gif"]}, "its tiles are 'gif'"),
    ],
)
def test_an_iiif_text_that_is_damaged_is_named(tmp_path: Path, other: dict[str, Any], said: str) -> None:
    with pytest.raises(ImageError, match=said):
        iiif(tmp_path / "a.iiif", **other)


def test_another_text_of_that_name_is_no_picture(tmp_path: Path) -> None:
    (tmp_path / "info.json").write_text('{"name": "mine"}')
    assert find_tiling(find_place(str(tmp_path))) is None
    (tmp_path / "info.json").write_text("[]")
    with pytest.raises(ImageError, match="is no table of JSON"):
        find_tiling(find_place(str(tmp_path)))


def test_words_of_its_own_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.dzi").write_text(
        '<!DOCTYPE a [<!ENTITY b "c">]>' + DZI.format(format="png", overlap=1, height="&b;")
    )
    with pytest.raises(ImageError, match="declares words of its own"):
        find_tiling(find_place(str(tmp_path / "a.dzi")))
