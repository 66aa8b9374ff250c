from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

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
