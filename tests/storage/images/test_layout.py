from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from storage.errors import ImageError
from storage.images.gdal import open_raster
from storage.images.layout import Layout, read_layout
from tests.storage.images.files import picture, pillow, write_raster


def layout(path: Path, bands: tuple[int, ...] | None = None) -> Layout:
    with open_raster(str(path)) as raster:
        return read_layout(str(path), raster, bands)


def test_plain_rgb(tmp_path: Path) -> None:
    found = layout(write_raster(tmp_path / "image.tif", picture(8, 8), photometric="RGB"))
    assert (found.bands, found.num_bands, found.alpha, found.palette) == ((1, 2, 3), 3, "none", None)


def test_alpha_in_front(tmp_path: Path) -> None:
    """Which band is alpha is the file's word, not its place."""
    from rasterio.enums import ColorInterp

    path = write_raster(tmp_path / "image.tif", picture(8, 8, 4), photometric="MINISBLACK")
    with open_raster(str(path), "r+") as raster:
        raster.colorinterp = [ColorInterp.alpha, ColorInterp.red, ColorInterp.green, ColorInterp.blue]
    found = layout(path)
    assert (found.bands, found.alpha, found.alpha_band) == ((2, 3, 4), "band", 1)


def test_a_gray_palette_is_gray(tmp_path: Path) -> None:
    image = pillow(picture(8, 8, 1)).convert("P")
    image.putpalette([value for level in range(256) for value in (255 - level,) * 3])
    image.save(tmp_path / "image.tif")
    found = layout(tmp_path / "image.tif")
    assert found.num_bands == 1
    assert found.palette is not None
    np.testing.assert_array_equal(found.palette[[0, 255], 0], [255, 0])


@pytest.mark.parametrize(("mode", "factor"), [("1", 255), ("L", 1)])
def test_few_bits_are_stretched(tmp_path: Path, mode: str, factor: int) -> None:
    pillow(picture(8, 8, 1)).convert(mode).save(tmp_path / "image.png")
    assert layout(tmp_path / "image.png").factor == factor


def test_a_mask_beside_the_pixels_is_transparency(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "image.tif", picture(8, 8), photometric="RGB")
    with open_raster(str(path), "r+") as raster:
        raster.write_mask(np.eye(8, dtype=np.uint8) * 255)
    assert layout(path).alpha == "mask"


def test_a_refusal_names_the_mend(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "image.tif", picture(8, 8, 4), photometric="MINISBLACK")
    with pytest.raises(ImageError, match="has 4 bands; expected 1 or 3: select them"):
        layout(path)
    assert layout(path, (4,)).bands == (4,)


@pytest.mark.parametrize("bands", [(), (1, 2), (1, 2, 3, 4), (0,), (5,), (1, 2, 5), (0, 1, 2), (-1,)])
def test_bands_that_are_not_one_or_three_of_those_there(tmp_path: Path, bands: tuple[int, ...]) -> None:
    path = write_raster(tmp_path / "image.tif", picture(8, 8, 4), photometric="MINISBLACK")
    with pytest.raises(ImageError, match=r"has bands 1 to 4; expected one or three of them, got \("):
        layout(path, bands)


@pytest.mark.parametrize("bands", [(1,), (4,), (4, 1, 2), (3, 3, 3)])
def test_bands_are_taken_in_the_order_given(tmp_path: Path, bands: tuple[int, ...]) -> None:
    path = write_raster(tmp_path / "image.tif", picture(8, 8, 4), photometric="MINISBLACK")
    assert layout(path, bands).bands == bands


@pytest.mark.parametrize(("clear", "alpha"), [(None, "none"), (1, "palette")])
def test_a_palette_of_few_colours(tmp_path: Path, clear: int | None, alpha: str) -> None:
    """Values that it does not name are black, and opaque."""
    image = Image.fromarray(np.array([[0, 1, 2], [2, 1, 0]], np.uint8), "P")
    image.putpalette([10, 20, 30, 40, 50, 60, 70, 70, 70])
    image.save(tmp_path / "image.png", **({} if clear is None else {"transparency": clear}))
    found = layout(tmp_path / "image.png")
    assert (found.bands, found.num_bands, found.is_gray, found.alpha, found.factor) == ((1,), 3, False, alpha, 1)
    assert found.palette is not None
    assert (found.palette.shape, found.palette.dtype) == ((256, 4), np.uint8)
    opaque = [255, 255 if clear is None else 0, 255]
    expected = [
        [10, 20, 30, opaque[0]],
        [40, 50, 60, opaque[1]],
        [70, 70, 70, opaque[2]],
        [0, 0, 0, 255],
        [0, 0, 0, 255],
    ]
    np.testing.assert_array_equal(found.palette[[0, 1, 2, 3, 255]], expected)


@pytest.mark.parametrize(
    ("dtype", "is_taken"), [("uint8", True), ("uint16", True), ("float32", True), ("int16", False)]
)
def test_values_that_are_taken(tmp_path: Path, dtype: str, is_taken: bool) -> None:
    path = write_raster(tmp_path / "image.tif", np.zeros((1, 8, 8), dtype))
    if is_taken:
        assert layout(path).is_gray
    else:
        with pytest.raises(ImageError, match=f"holds {dtype} values; expected uint8, uint16 or float"):
            layout(path)


def test_inks_are_no_colours(tmp_path: Path) -> None:
    Image.new("CMYK", (8, 8)).save(tmp_path / "image.jpg")
    with pytest.raises(ImageError, match=r"holds .*; expected gray or RGB: convert it with its colour profile"):
        layout(tmp_path / "image.jpg")


def test_gray_with_opacity(tmp_path: Path) -> None:
    Image.new("LA", (8, 8)).save(tmp_path / "image.png")
    found = layout(tmp_path / "image.png")
    assert (found.bands, found.is_gray, found.alpha, found.alpha_band, found.num_bands) == ((1,), True, "band", 2, 1)
