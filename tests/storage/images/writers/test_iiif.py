"""IIIF, level 0: the addresses that viewers ask for, by OpenSeadragon's formula, and info.json by the API's words."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from storage.errors import ImageError
from storage.images import check_output, write_image
from storage.images.formats import losses
from storage.images.pyramid import Holes, halve
from tests.storage.images.files import blocks, decoded, info_of, picture


def write(path: Path, pixels: np.ndarray, **facts: object) -> dict[str, object]:
    """What its info.json says."""
    _, height, width = pixels.shape
    write_image(path, info_of(pixels, **facts), 1, blocks(pixels, 100), height=height, width=width)
    return dict(json.loads((path / "info.json").read_text()))


def asked_for(info: dict, suffix: str) -> dict[str, tuple[int, int]]:
    """Every address that OpenSeadragon's IIIFTileSource.getTileUrl makes, with the height and width that it expects."""
    width, height, side = info["width"], info["height"], info["tiles"][0]["width"]
    found = {}
    for factor in info["tiles"][0]["scaleFactors"]:
        wide, tall = math.ceil(width / factor), math.ceil(height / factor)
        for row in range(math.ceil(tall / side)):
            for col in range(math.ceil(wide / side)):
                x, y = col * side * factor, row * side * factor
                w, h = min(side * factor, width - x), min(side * factor, height - y)
                across, down = min(side, wide - col * side), min(side, tall - row * side)
                region = "full" if (w, h) == (width, height) else f"{x},{y},{w},{h}"
                size = "max" if (across, down) == (width, height) else f"{across},{down}"
                found[f"{region}/{size}/0/default.{suffix}"] = (down, across)
    return found


@pytest.mark.parametrize(("height", "width"), [(1, 1), (512, 512), (513, 300), (1030, 700), (1, 1500)])
@pytest.mark.parametrize(("name", "suffix"), [("a.iiif", "jpg"), ("a.png.iiif", "png"), ("a.webp.iiif", "webp")])
def test_there_is_what_viewers_ask_for(tmp_path: Path, height: int, width: int, name: str, suffix: str) -> None:
    folder = tmp_path / name
    info = write(folder, picture(height, width))
    wanted = asked_for(info, suffix)
    whole = {f"{size['width']},{size['height']}" for size in info["sizes"]}
    twice = {f"full/{size}/0/default.{suffix}" for size in (*whole, "max")}
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert found == {*wanted, *twice, "info.json", "metadata.json"}
    for tile, shape in wanted.items():
        with Image.open(folder / tile) as image:
            assert (image.height, image.width) == shape


def test_info_is_what_the_api_wants(tmp_path: Path) -> None:
    info = write(tmp_path / "a b.iiif", picture(1030, 700))
    assert info["@context"] == "http://iiif.io/api/image/3/context.json"
    assert (info["type"], info["protocol"], info["profile"]) == ("ImageService3", "http://iiif.io/api/image", "level0")
    assert info["id"] == "http://localhost:8000/a%20b.iiif"
    assert info["tiles"] == [{"width": 512, "height": 512, "scaleFactors": [1, 2, 4]}]
    assert info["sizes"] == [{"width": 175, "height": 258}, {"width": 350, "height": 515}]
    assert info["maxWidth"] == 515
    assert "preferredFormats" not in info
    assert write(tmp_path / "b.png.iiif", picture(4, 4))["preferredFormats"] == ["png"]


def test_no_pixel_is_lost_in_png(tmp_path: Path) -> None:
    pixels = picture(600, 300, 1)
    write(tmp_path / "a.png.iiif", pixels)
    tiles = [
        decoded(tmp_path / f"a.png.iiif/{region}/0/default.png")
        for region in ("0,0,300,512/300,512", "0,512,300,88/300,88")
    ]
    np.testing.assert_array_equal(np.concatenate(tiles, axis=1), pixels)
    whole = tmp_path / "a.png.iiif/full"
    for size, expected in (("max", pixels), ("300,600", pixels), ("150,300", halve(pixels, Holes()))):
        np.testing.assert_array_equal(decoded(whole / size / "0/default.png"), expected)


@pytest.mark.parametrize(("height", "width"), [(3000, 100), (1500, 1300), (300, 2100)])
def test_nothing_that_is_there_is_larger_than_may_be_asked_for(tmp_path: Path, height: int, width: int) -> None:
    """And the largest is what fits exactly."""
    info = write(tmp_path / "a.iiif", picture(height, width))
    sizes = []
    for path in (tmp_path / "a.iiif").rglob("*.jpg"):
        with Image.open(path) as image:
            sizes.append((path.parent.parent.name, image.size))
    assert max(max(size) for _, size in sizes) == info["maxWidth"]
    (largest,) = [size for name, size in sizes if name == "max"]
    assert max(largest) == info["maxWidth"]
    assert largest[0] / largest[1] == pytest.approx(width / height, rel=0.02)


def test_numbers_that_it_does_not_hold_are_refused_before_a_run(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="IIIF holds 8 bits, the image has float32"):
        check_output(tmp_path / "a.iiif", overwrite=False, height=9, width=9, dtype="float32")
    (line,) = losses("a.iiif", info_of(picture(4, 4), has_alpha=True, nodata=0.0))
    assert "IIIF has no transparency, nodata value" in line
    assert losses("a.png.iiif", info_of(picture(4, 4), has_alpha=True, nodata=0.0)) == []
