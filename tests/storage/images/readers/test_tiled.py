"""DeepZoom and IIIF folders come back as what was written into them, and damaged ones are named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from storage.box import Box
from storage.errors import ImageError
from storage.images import open_image, write_image
from storage.images.georeference import GeoReference
from storage.images.layout import Choice
from storage.images.readers import tiled
from storage.images.source import num_pages
from storage.images.writers import deep_zoom, iiif
from tests.storage.images.files import blocks, info_of, picture, pillow, srgb_profile

LOSSLESS = ("a.dzi", "a.webp.dzi", "a.png.iiif", "a.webp.iiif")
LOSSY = ("a.jpg.dzi", "a.iiif")


@pytest.fixture(autouse=True)
def small_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many tiles of small pictures."""
    for module in (deep_zoom, iiif):
        monkeypatch.setattr(module, "TILE", 32)


def write(path: Path, pixels: np.ndarray, *, alpha: np.ndarray | None = None, **facts: Any) -> Path:
    _, height, width = pixels.shape
    read = None if alpha is None else lambda box: alpha[box.slices]
    info = info_of(pixels, has_alpha=alpha is not None, **facts)
    write_image(path, info, 1, blocks(pixels, 100), alpha=read, height=height, width=width)
    return path


@pytest.mark.parametrize("name", LOSSLESS)
@pytest.mark.parametrize("bands", [1, 3])
@pytest.mark.parametrize(("height", "width"), [(1, 1), (32, 64), (66, 97)])
def test_what_was_written_comes_back(tmp_path: Path, name: str, bands: int, height: int, width: int) -> None:
    pixels = picture(height, width, bands)
    with open_image(write(tmp_path / name, pixels)) as source:
        info = source.info
        assert (info.height, info.width, info.num_bands, info.dtype) == (height, width, bands, "uint8")
        assert (info.has_alpha, info.nodata, info.holes, info.notes) == (False, None, "none", ())
        np.testing.assert_array_equal(source.read(info.canvas), pixels)
        box = Box(top=height // 3, left=width // 3, height=height - height // 3, width=width - width // 3)
        np.testing.assert_array_equal(source.read(box), pixels[:, *box.slices])


@pytest.mark.parametrize("name", LOSSY)
@pytest.mark.parametrize("bands", [1, 3])
def test_jpeg_comes_back_nearly(tmp_path: Path, name: str, bands: int) -> None:
    pixels = picture(60, 70, bands)
    with open_image(write(tmp_path / name, pixels, nodata=7)) as source:
        assert source.info.num_bands == bands
        assert source.info.notes == ("its nodata value 7 is left out: JPEG has not kept it",)
        off = source.read(source.info.canvas).astype(int) - pixels
    assert np.abs(off).mean() < 4


@pytest.mark.parametrize("name", LOSSLESS)
@pytest.mark.parametrize("bands", [1, 3])
def test_opacity_comes_back(tmp_path: Path, name: str, bands: int) -> None:
    """A tile of WebP that hides nothing has no alpha at all."""
    pixels, alpha = picture(60, 97, bands), np.full((60, 97), 255, np.uint8)
    alpha[:, 70:] = 0
    alpha[:20, 70:] = 130
    path = write(tmp_path / name, pixels, alpha=alpha)
    with open_image(path) as source:
        assert (source.info.num_bands, source.info.has_alpha, source.info.holes) == (bands, True, "pixels")
        np.testing.assert_array_equal(source.alpha(source.info.canvas), alpha)
        found, valid = source.look(source.info.canvas)
    np.testing.assert_array_equal(found, pixels)
    np.testing.assert_array_equal(valid, alpha[None] > 0)
    with open_image(path, choice=Choice(alpha="none")) as source:
        assert (source.info.num_bands, source.info.has_alpha) == (bands + 1, False)


@pytest.mark.parametrize("name", LOSSLESS)
def test_what_tiles_cannot_say_comes_back(tmp_path: Path, name: str) -> None:
    pixels = picture(40, 50)
    place = GeoReference(crs_wkt=None, transform=(10.0, 0.0, 500.0, 0.0, -10.0, 900.0))
    facts = {"nodata": 3, "icc": srgb_profile(), "geo": place, "descriptions": ("a", None, "c")}
    with open_image(write(tmp_path / name, pixels, **facts)) as source:
        info = source.info
        assert (info.nodata, info.holes, info.icc) == (3, "bands", srgb_profile())
        assert (info.transform, info.descriptions) == (place.transform, ("a", None, "c"))
        found, valid = source.look(info.canvas)
    np.testing.assert_array_equal(valid, pixels != 3)
    np.testing.assert_array_equal(found, pixels)


@pytest.mark.parametrize("name", LOSSLESS)
def test_of_others_tiles_nothing_is_known_but_what_they_hold(tmp_path: Path, name: str) -> None:
    pixels = picture(40, 50, 1)
    path = write(tmp_path / name, pixels)
    for table in tmp_path.rglob("metadata.json"):
        table.unlink()
    bands = 3 if "webp" in name else 1
    with open_image(path) as source:
        assert source.info.num_bands == bands
        np.testing.assert_array_equal(source.read(source.info.canvas), pixels.repeat(bands, axis=0))


def test_a_descriptor_of_another_tool(tmp_path: Path) -> None:
    """Tiles of 100 that share nothing, as some make them."""
    pixels = picture(150, 230)
    folder = tmp_path / "a_files" / "8"
    folder.mkdir(parents=True)
    for row in range(2):
        for col in range(3):
            tile = pixels[:, row * 100 : row * 100 + 100, col * 100 : col * 100 + 100]
            pillow(tile).save(folder / f"{col}_{row}.png")
    (tmp_path / "a.dzi").write_text(
        '<Image TileSize="100" Overlap="0" Format="png" xmlns="http://schemas.microsoft.com/deepzoom/2009">'
        '<Size Width="230" Height="150"/></Image>'
    )
    with open_image(tmp_path / "a.dzi") as source:
        np.testing.assert_array_equal(source.read(source.info.canvas), pixels)
    assert num_pages(tmp_path / "a.dzi") == 1


def test_the_descriptor_of_a_folder_names_it_too(tmp_path: Path) -> None:
    path = write(tmp_path / "a.png.iiif", picture(20, 30))
    with open_image(path) as one, open_image(path / "info.json") as other:
        assert one.info == other.info
        assert one.fingerprint() == other.fingerprint()


@pytest.mark.parametrize("name", LOSSLESS)
def test_tiles_are_decoded_once_a_row_of_them(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / name, picture(70, 97))
    opened, decode = [], tiled._decode

    def count(path: Path, tiling: Any) -> Any:
        opened.append(path)
        return decode(path, tiling)

    with open_image(path) as source:
        monkeypatch.setattr(tiled, "_decode", count)
        for _ in source.rows(10):
            pass
    assert len(opened) == len(set(opened))


@pytest.mark.parametrize("name", ["a.dzi", "a.png.iiif"])
def test_the_fingerprint_is_of_descriptor_table_and_whole_tiles(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / name, picture(70, 40))
    with open_image(path) as source:
        before, stamp = source.fingerprint(), source.stamp()
        last = [*source._tiling.files()][-1]  # type: ignore[attr-defined]
        last.write_bytes(last.read_bytes() + b"more")
        assert source.fingerprint() != before
        assert source.stamp() != stamp


@pytest.mark.parametrize("name", ["a.dzi", "a.png.iiif"])
def test_damage_is_named(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / name, picture(70, 40))
    with open_image(path) as source:
        last = [*source._tiling.files()][-1]  # type: ignore[attr-defined]
        whole, data = source.info.canvas, last.read_bytes()
        last.write_bytes(data[: len(data) // 2])
        with pytest.raises(ImageError, match=r"default.png is damaged|_2.png is damaged"):
            source.read(whole)
        pillow(picture(9, 9)).save(last)
        with pytest.raises(ImageError, match=r"is 9 x 9 pixels; .* says .*: get the whole picture again"):
            source.read(whole)
        last.unlink()
        with pytest.raises(ImageError, match=r"no tile .*png, which .* tells of: get the whole picture again"):
            source.read(whole)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("<Image/>", "is no DeepZoom picture"),
        ("<Image", "is no XML that can be read"),
        ('<!DOCTYPE a [<!ENTITY b "c">]><Image/>', "declares words of its own"),
        (
            '<Image TileSize="0" Overlap="0" Format="png" xmlns="http://schemas.microsoft.com/deepzoom/2008">'
            '<Size Width="3" Height="3"/></Image>',
            "expected a TileSize of 1 to 8192, got '0'",
        ),
        (
            '<Image TileSize="9" Overlap="0" Format="bmp" xmlns="http://schemas.microsoft.com/deepzoom/2008">'
            '<Size Width="3" Height="3"/></Image>',
            "its tiles are 'bmp'; expected one of png, jpg, jpeg, webp",
        ),
    ],
)
def test_a_descriptor_that_says_nothing(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "a.dzi").write_text(text)
    with pytest.raises(ImageError, match=said):
        open_image(tmp_path / "a.dzi")


@pytest.mark.parametrize("change", [{"type": "ImageService2"}, {"tiles": []}, {"tiles": [{"width": 9}]}])
def test_another_image_service_is_refused(tmp_path: Path, change: dict[str, Any]) -> None:
    path = write(tmp_path / "a.iiif", picture(20, 30))
    info = json.loads((path / "info.json").read_text())
    (path / "info.json").write_text(json.dumps({**info, **change}))
    with pytest.raises(ImageError, match="expected an ImageService3 of IIIF Image API 3 with tiles of scale factor 1"):
        open_image(path)


def test_a_folder_with_another_info_is_a_folder(tmp_path: Path) -> None:
    (tmp_path / "info.json").write_text("{}")
    with pytest.raises(ImageError, match="is a folder; expected one image"):
        open_image(tmp_path)


def test_one_in_a_store_or_an_archive_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="many files, which are read from a folder on this machine"):
        open_image("https://host/a.dzi")
