from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from rasterio.enums import ColorInterp

from storage.errors import ImageError
from storage.images.gdal import open_raster
from storage.images.layout import Choice, Layout, read_layout
from tests.storage.images.files import picture, pillow, write_raster


def layout(path: Path, **choice: Any) -> Layout:
    with open_raster(str(path)) as raster:
        return read_layout(str(path), raster, Choice(**choice))


def test_plain_rgb(tmp_path: Path) -> None:
    found = layout(write_raster(tmp_path / "image.tif", picture(8, 8), photometric="RGB"))
    assert (found.bands, found.num_bands, found.alpha, found.palette) == ((1, 2, 3), 3, "none", None)


def test_alpha_in_front(tmp_path: Path) -> None:
    """Which band is alpha is the file's word, not its place."""
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


def test_four_bands_are_carried_and_the_first_three_are_shown(tmp_path: Path) -> None:
    found = layout(write_raster(tmp_path / "image.tif", picture(8, 8, 4), photometric="MINISBLACK"))
    assert (found.bands, found.shown, found.alpha) == ((1, 2, 3, 4), (0, 1, 2), "none")
    (note,) = found.notes
    assert "1, 2, 3 are shown to the model" in note
    assert "--bands" in note


def test_colours_are_shown_where_the_file_says_that_they_are(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "image.tif", picture(8, 8, 5), photometric="MINISBLACK")
    kinds = [ColorInterp.undefined, ColorInterp.blue, ColorInterp.green, ColorInterp.red, ColorInterp.undefined]
    with open_raster(str(path), "r+") as raster:
        raster.colorinterp = kinds
    found = layout(path)
    assert (found.bands, found.shown, found.notes) == ((1, 2, 3, 4, 5), (3, 2, 1), ())


@pytest.mark.parametrize("bands", [(), (1, 2), (1, 2, 3, 4), (0,), (5,), (1, 2, 5), (0, 1, 2), (-1,), (3, 3, 3)])
def test_bands_that_are_not_one_or_three_of_those_there(tmp_path: Path, bands: tuple[int, ...]) -> None:
    path = write_raster(tmp_path / "image.tif", picture(8, 8, 4), photometric="MINISBLACK")
    with pytest.raises(ImageError, match=r"has bands 1.* 4; expected one or three of them, got \("):
        layout(path, shown=bands)


@pytest.mark.parametrize("bands", [(1,), (4,), (4, 1, 2)])
def test_bands_are_shown_in_the_order_given_and_all_are_carried(tmp_path: Path, bands: tuple[int, ...]) -> None:
    path = write_raster(tmp_path / "image.tif", picture(8, 8, 4), photometric="MINISBLACK")
    found = layout(path, shown=bands)
    assert (found.bands, found.shown) == ((1, 2, 3, 4), tuple(band - 1 for band in bands))
    assert layout(path, only=bands).bands == bands


class TestAlpha:
    """A band that is declared to be transparency, and what speaks against it."""

    def raster(self, tmp_path: Path, bands: int = 4, **profile: object) -> Path:
        return write_raster(tmp_path / "image.tif", picture(8, 8, bands), ALPHA="YES", **profile)

    @pytest.mark.parametrize("alpha", ["auto", "band"])
    def test_it_is_what_it_says(self, tmp_path: Path, alpha: str) -> None:
        found = layout(self.raster(tmp_path, photometric="RGB"), alpha=alpha)
        assert (found.bands, found.alpha, found.alpha_band, found.notes) == ((1, 2, 3), "band", 4, ())

    def test_the_user_says_that_it_is_data(self, tmp_path: Path) -> None:
        found = layout(self.raster(tmp_path, photometric="RGB"), alpha="none")
        assert (found.bands, found.alpha, found.alpha_band) == ((1, 2, 3, 4), "none", 0)
        assert found.notes == ("band 4 is carried as data, as --alpha none asks",)

    @pytest.mark.parametrize(
        ("profile", "choice", "reason"),
        [
            ({"photometric": "RGB", "nodata": 0}, {}, "nodata of 0 says already what is no data"),
            ({"photometric": "RGB"}, {"shown": (4, 3, 2)}, "--bands asks for it"),
            ({"photometric": "MINISBLACK"}, {}, "the file is no RGB picture"),
        ],
    )
    def test_what_speaks_against_it(
        self, tmp_path: Path, profile: dict[str, object], choice: dict[str, Any], reason: str
    ) -> None:
        found = layout(self.raster(tmp_path, **profile), **choice)
        assert (found.bands, found.alpha_band) == ((1, 2, 3, 4), 0)
        assert reason in found.notes[0]
        assert "--alpha band" in found.notes[0]

    def test_gray_with_alpha_is_no_doubt(self, tmp_path: Path) -> None:
        found = layout(self.raster(tmp_path, 2, photometric="MINISBLACK"))
        assert (found.bands, found.shown, found.alpha_band, found.notes) == ((1,), (0,), 2, ())

    def test_the_user_says_that_a_band_is_transparency(self, tmp_path: Path) -> None:
        path = write_raster(tmp_path / "image.tif", picture(8, 8, 4), photometric="MINISBLACK")
        found = layout(path, alpha="band")
        assert (found.bands, found.alpha, found.alpha_band) == ((1, 2, 3), "band", 4)
        with pytest.raises(ImageError, match="has 3 bands, none of which says that it is alpha"):
            layout(write_raster(tmp_path / "rgb.tif", picture(8, 8, 3), photometric="RGB"), alpha="band")


@pytest.mark.parametrize(("clear", "alpha"), [(None, "none"), (1, "palette")])
def test_a_palette_of_few_colours(tmp_path: Path, clear: int | None, alpha: str) -> None:
    """Values that it does not name are black, and opaque."""
    image = Image.fromarray(np.array([[0, 1, 2], [2, 1, 0]], np.uint8), "P")
    image.putpalette([10, 20, 30, 40, 50, 60, 70, 70, 70])
    image.save(tmp_path / "image.png", **({} if clear is None else {"transparency": clear}))
    found = layout(tmp_path / "image.png")
    assert (found.bands, found.shown, found.alpha, found.factor) == ((1,), (0, 1, 2), alpha, 1)
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
    ("dtype", "is_taken"), [("uint8", True), ("uint16", True), ("float32", True), ("int16", True), ("int64", False)]
)
def test_values_that_are_taken(tmp_path: Path, dtype: str, is_taken: bool) -> None:
    path = write_raster(tmp_path / "image.tif", np.zeros((1, 8, 8), dtype))
    if is_taken:
        assert layout(path).shown == (0,)
    else:
        with pytest.raises(ImageError, match=f"holds {dtype} values; expected bands of one number format"):
            layout(path)


def test_inks_are_no_colours(tmp_path: Path) -> None:
    Image.new("CMYK", (8, 8)).save(tmp_path / "image.jpg")
    with pytest.raises(ImageError, match=r"holds .*; expected gray or RGB: convert it with its colour profile"):
        layout(tmp_path / "image.jpg")


def test_gray_with_opacity(tmp_path: Path) -> None:
    Image.new("LA", (8, 8)).save(tmp_path / "image.png")
    found = layout(tmp_path / "image.png")
    assert (found.bands, found.shown, found.alpha, found.alpha_band, found.num_bands) == ((1,), (0,), "band", 2, 1)
