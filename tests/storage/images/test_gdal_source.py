"""Pixels as GDAL reads them: every format and orientation, palettes, transparency and holes, by many threads."""

from __future__ import annotations

import itertools
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from storage.box import Box
from storage.images import open_image
from storage.images.gdal import open_raster
from storage.images.layout import Choice
from tests.storage.images.files import decoded, picture, pillow, write_raster

HEIGHT, WIDTH = 60, 47


def whole(path: Path, **options: object) -> np.ndarray:
    with open_image(path, **options) as source:
        return source.read(source.info.canvas)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("bands", [1, 3])
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_pixels_come_as_they_are(tmp_path: Path, suffix: str, bands: int, dtype: str) -> None:
    pixels = picture(HEIGHT, WIDTH, bands, dtype)
    driver = {".png": "PNG", ".tif": "GTiff"}[suffix]
    path = write_raster(tmp_path / f"image{suffix}", pixels, driver=driver)
    with open_image(path) as source:
        assert (source.info.height, source.info.width, source.info.num_bands) == (HEIGHT, WIDTH, bands)
        assert (source.info.dtype, source.info.has_alpha, source.info.driver) == (dtype, False, driver)
        assert source.alpha(source.info.canvas) is None
        read = source.read(source.info.canvas)
    assert read.dtype == dtype
    np.testing.assert_array_equal(read, pixels)


def test_jpeg(tmp_path: Path) -> None:
    pillow(picture(HEIGHT, WIDTH)).save(tmp_path / "image.jpg", quality=90, subsampling="4:4:4")
    difference = whole(tmp_path / "image.jpg").astype(int) - decoded(tmp_path / "image.jpg")
    assert np.abs(difference).max() <= 3


def test_windows_and_rows_agree_with_the_whole(tmp_path: Path) -> None:
    pixels = picture(HEIGHT, WIDTH)
    pillow(pixels).save(tmp_path / "image.png")
    with open_image(tmp_path / "image.png") as source:
        box = Box(top=11, left=5, height=20, width=31)
        np.testing.assert_array_equal(source.read(box), pixels[:, *box.slices])
        rows = list(source.rows(16))
        assert [box.top for box, _ in rows] == [0, 16, 32, 48]
        np.testing.assert_array_equal(np.concatenate([row for _, row in rows], axis=1), pixels)
        with pytest.raises(ValueError, match="not inside"):
            source.read(Box(top=0, left=0, height=HEIGHT + 1, width=1))


def test_threads_may_share_a_source(tmp_path: Path) -> None:
    pixels = picture(300, 200)
    path = write_raster(tmp_path / "image.tif", pixels, tiled=True, blockxsize=64, blockysize=64)
    corners = itertools.product(range(0, 300, 50), range(0, 200, 50))
    boxes = [Box(top=top, left=left, height=50, width=50) for top, left in corners]
    with open_image(path) as source, ThreadPoolExecutor(8) as pool:
        for box, read in zip(boxes * 4, pool.map(source.read, boxes * 4), strict=True):
            np.testing.assert_array_equal(read, pixels[:, *box.slices])


class TestKinds:
    def test_one_bit(self, tmp_path: Path) -> None:
        image = pillow(picture(HEIGHT, WIDTH, 1)).convert("1")
        image.save(tmp_path / "image.png")
        image.save(tmp_path / "image.tif", compression="group4")
        expected = np.asarray(image.convert("L"))[None]
        np.testing.assert_array_equal(whole(tmp_path / "image.png"), expected)
        np.testing.assert_array_equal(whole(tmp_path / "image.tif"), expected)

    @pytest.mark.parametrize("suffix", [".png", ".tif"])
    def test_palette(self, tmp_path: Path, suffix: str) -> None:
        image = pillow(picture(HEIGHT, WIDTH)).quantize(50)
        image.save(tmp_path / f"image{suffix}")
        expected = np.asarray(image.convert("RGB")).transpose(2, 0, 1)
        np.testing.assert_array_equal(whole(tmp_path / f"image{suffix}"), expected)

    def test_palette_with_a_transparent_colour(self, tmp_path: Path) -> None:
        image = pillow(picture(HEIGHT, WIDTH)).quantize(16)
        image.save(tmp_path / "image.png", transparency=3)
        with open_image(tmp_path / "image.png") as source:
            assert source.info.nodata is None
            alpha = source.alpha(source.info.canvas)
        np.testing.assert_array_equal(alpha, np.where(np.asarray(image) == 3, 0, 255))

    @pytest.mark.parametrize("bands", [1, 3])
    @pytest.mark.parametrize("suffix", [".png", ".tif"])
    def test_alpha(self, tmp_path: Path, bands: int, suffix: str) -> None:
        pixels = picture(HEIGHT, WIDTH, bands + 1)
        pillow(pixels).save(tmp_path / f"image{suffix}")
        with open_image(tmp_path / f"image{suffix}") as source:
            assert (source.info.num_bands, source.info.has_alpha) == (bands, True)
            np.testing.assert_array_equal(source.read(source.info.canvas), pixels[:-1])
            np.testing.assert_array_equal(source.alpha(source.info.canvas), pixels[-1])

    def test_alpha_of_16_bits_comes_as_8(self, tmp_path: Path) -> None:
        pixels = picture(HEIGHT, WIDTH, 4, "uint16")
        path = write_raster(tmp_path / "image.tif", pixels, photometric="RGB", ALPHA="YES")
        with open_image(path) as source:
            np.testing.assert_array_equal(source.alpha(source.info.canvas), np.rint(pixels[3] / 257).astype(np.uint8))

    def test_selected_bands(self, tmp_path: Path) -> None:
        pixels = picture(HEIGHT, WIDTH, 5, "uint16")
        path = write_raster(tmp_path / "image.tif", pixels)
        np.testing.assert_array_equal(whole(path, choice=Choice(only=(4, 3, 2))), pixels[[3, 2, 1]])
        np.testing.assert_array_equal(whole(path, choice=Choice(only=(5,))), pixels[4:])
        with open_image(path, choice=Choice(shown=(4, 3, 2))) as source:
            assert (source.info.num_bands, source.info.shown_bands) == (5, (3, 2, 1))
            np.testing.assert_array_equal(source.read(source.info.canvas), pixels)

    @pytest.mark.parametrize("dtype", ["int8", "int16", "uint32", "int32", "float32", "float64"])
    @pytest.mark.parametrize("bands", [1, 2, 4, 5])
    def test_every_number_format_and_every_band_comes_as_it_is(self, tmp_path: Path, dtype: str, bands: int) -> None:
        rng = np.random.default_rng(0)
        pixels = (rng.normal(size=(bands, HEIGHT, WIDTH)) * (30 if dtype == "int8" else 9999)).astype(dtype)
        path = write_raster(tmp_path / "image.tif", pixels, photometric="MINISBLACK")
        with open_image(path) as source:
            assert (source.info.dtype, source.info.num_bands) == (dtype, bands)
            np.testing.assert_array_equal(source.read(source.info.canvas), pixels)


class TestHoles:
    """What is no data: by a value, by NaN, by a mask, by transparency."""

    def looked(self, path: Path) -> tuple[np.ndarray | None, str]:
        with open_image(path) as source:
            return source.look(source.info.canvas)[1], source.info.holes

    @pytest.mark.parametrize(
        ("dtype", "nodata"), [("uint8", 0), ("uint16", 65535), ("int16", -9999), ("float32", -1.5)]
    )
    def test_a_value_in_each_band(self, tmp_path: Path, dtype: str, nodata: float) -> None:
        pixels = np.ones((3, HEIGHT, WIDTH), dtype)
        pixels[0, :9], pixels[2, :, 40:] = nodata, nodata
        valid, holes = self.looked(write_raster(tmp_path / "image.tif", pixels, nodata=nodata))
        assert holes == "bands"
        np.testing.assert_array_equal(valid, pixels != np.dtype(dtype).type(nodata))

    @pytest.mark.parametrize("nodata", [None, -9999.0, float("nan")])
    def test_what_is_no_number(self, tmp_path: Path, nodata: float | None) -> None:
        pixels = np.ones((2, HEIGHT, WIDTH), np.float32)
        pixels[1, 3, 4], pixels[0, 0, 0] = np.nan, np.inf
        expected = np.isfinite(pixels)
        if nodata == -9999:
            pixels[0, 7, 7], expected[0, 7, 7] = nodata, False
        valid, holes = self.looked(write_raster(tmp_path / "image.tif", pixels, nodata=nodata))
        assert holes == "bands"
        np.testing.assert_array_equal(valid, expected)

    def test_a_mask_and_transparency_hold_for_all_bands(self, tmp_path: Path) -> None:
        opacity = np.zeros((HEIGHT, WIDTH), np.uint8)
        opacity[:30], opacity[30] = 255, 1
        masked = write_raster(tmp_path / "mask.tif", picture(HEIGHT, WIDTH), photometric="RGB")
        with open_raster(str(masked), "r+") as raster:
            raster.write_mask(opacity)
        four = np.concatenate([picture(HEIGHT, WIDTH), opacity[None]])
        for path in (masked, write_raster(tmp_path / "alpha.tif", four, photometric="RGB", ALPHA="YES")):
            valid, holes = self.looked(path)
            assert holes == "pixels"
            np.testing.assert_array_equal(valid, opacity[None] > 0)

    @pytest.mark.parametrize("nodata", [-9999, 256])
    def test_a_value_that_the_format_cannot_hold_is_none(self, tmp_path: Path, nodata: int) -> None:
        (tmp_path / "image.vrt").write_text(
            f'<VRTDataset rasterXSize="{WIDTH}" rasterYSize="{HEIGHT}"><VRTRasterBand dataType="Byte" band="1">'
            f"<NoDataValue>{nodata}</NoDataValue><SimpleSource><SourceFilename relativeToVRT='1'>image.tif"
            "</SourceFilename><SourceBand>1</SourceBand></SimpleSource></VRTRasterBand></VRTDataset>"
        )
        write_raster(tmp_path / "image.tif", picture(HEIGHT, WIDTH, 1))
        assert self.looked(tmp_path / "image.vrt") == (None, "none")

    @pytest.mark.parametrize(("first", "second", "count"), [("0", "255", 1), ("0", None, 1), ("7", "7", 0)])
    def test_several_values_are_spoken_of(self, tmp_path: Path, first: str, second: str | None, count: int) -> None:
        """A result has one value for all bands."""
        write_raster(tmp_path / "image.tif", picture(HEIGHT, WIDTH, 1))
        bands = "".join(
            f'<VRTRasterBand dataType="Byte" band="{number}">'
            + (f"<NoDataValue>{value}</NoDataValue>" if value else "")
            + "<SimpleSource><SourceFilename relativeToVRT='1'>image.tif</SourceFilename><SourceBand>1</SourceBand>"
            "</SimpleSource></VRTRasterBand>"
            for number, value in enumerate((first, second), 1)
        )
        (tmp_path / "image.vrt").write_text(
            f'<VRTDataset rasterXSize="{WIDTH}" rasterYSize="{HEIGHT}">{bands}</VRTDataset>'
        )
        with open_image(tmp_path / "image.vrt") as source:
            said = [note for note in source.info.notes if "different nodata values" in note]
            assert len(said) == count
            assert source.info.nodata == (0 if count else 7)

    def test_a_value_that_no_pixel_can_have_is_spoken_of(self, tmp_path: Path) -> None:
        write_raster(tmp_path / "image.tif", picture(HEIGHT, WIDTH, 1).astype("int16"))
        (tmp_path / "image.vrt").write_text(
            f'<VRTDataset rasterXSize="{WIDTH}" rasterYSize="{HEIGHT}"><VRTRasterBand dataType="Int16" band="1">'
            "<NoDataValue>0.5</NoDataValue><SimpleSource><SourceFilename relativeToVRT='1'>image.tif"
            "</SourceFilename><SourceBand>1</SourceBand></SimpleSource></VRTRasterBand></VRTDataset>"
        )
        with open_image(tmp_path / "image.vrt") as source:
            assert source.info.notes == ("its nodata value 0.5 is none that int16 can have: it is left out",)
            assert (source.info.nodata, source.info.holes) == (None, "none")

    def test_a_picture_has_none(self, tmp_path: Path) -> None:
        assert self.looked(write_raster(tmp_path / "image.tif", picture(HEIGHT, WIDTH))) == (None, "none")


class TestUpright:
    """Pictures that lie on their side."""

    @pytest.mark.parametrize("orientation", range(1, 9))
    @pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif"])
    def test_orientation_is_applied(self, tmp_path: Path, orientation: int, suffix: str) -> None:
        image = pillow(picture(HEIGHT, WIDTH))
        exif = Image.Exif()
        exif[274] = orientation
        path = tmp_path / f"image{suffix}"
        image.save(path, exif=exif, **({"subsampling": "4:4:4"} if suffix == ".jpg" else {}))
        with Image.open(path) as stored:
            upright = np.asarray(ImageOps.exif_transpose(stored)).transpose(2, 0, 1)
        with open_image(path) as source:
            np.testing.assert_allclose(source.read(source.info.canvas), upright, atol=4 if suffix == ".jpg" else 0)
            box = Box(top=9, left=4, height=13, width=29)
            np.testing.assert_allclose(source.read(box), upright[:, *box.slices], atol=4 if suffix == ".jpg" else 0)
