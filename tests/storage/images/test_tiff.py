from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from rasterio.errors import RasterioError

from storage.images.formats import format_of
from storage.images.gdal import gdal
from storage.images.picture import Picture
from storage.images.tiff import SUM_MODULUS, check_written, read_back, read_strips, value_sum, write_tiff
from tests.storage.images.files import blocks, info_of, picture
from tests.storage.images.writers.pictures import opened


@pytest.fixture
def pixels() -> np.ndarray:
    return picture(700, 600, 3, "uint16")


@pytest.fixture
def path(tmp_path: Path, pixels: np.ndarray) -> Path:
    result = Picture(
        info=info_of(pixels),
        scale=1,
        height=700,
        width=600,
        num_colours=3,
        dtype="uint16",
        alpha=None,
        icc=None,
        wanted=format_of(Path("a.tif")),
    )
    with gdal():
        total = write_tiff(tmp_path / "a.tif", result, blocks(pixels, 100, 250), COMPRESS="DEFLATE")
    assert total == pixels.sum(dtype=np.uint64)
    return tmp_path / "a.tif"


def test_it_reads_back(path: Path, pixels: np.ndarray) -> None:
    with gdal():
        assert read_back(path) == pixels.sum(dtype=np.uint64)
        np.testing.assert_array_equal(np.concatenate(list(read_strips(path, 90)), axis=1), pixels)


def test_a_damaged_file_does_not(path: Path, pixels: np.ndarray) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 2000] = bytes(2000)
    path.write_bytes(data)
    try:
        with gdal():
            total = read_back(path)
    except RasterioError:
        return
    assert total != pixels.sum(dtype=np.uint64)


def test_what_was_written_is_compared_with_what_is_there(path: Path, pixels: np.ndarray) -> None:
    total = int(pixels.sum(dtype=np.uint64))
    with gdal():
        check_written(path, total)
        for other in (total - 1, total + 1):
            with pytest.raises(OSError, match="reads back with other values"):
                check_written(path, other)


@pytest.mark.parametrize(("bands", "alpha"), [(1, False), (3, False), (3, True)])
def test_what_goes_with_the_pixels(tmp_path: Path, bands: int, alpha: bool) -> None:
    """Tiles, colours, names of bands but the opacity's, nodata and resolution, as rasterio reads them."""
    pixels = picture(40, 30, bands)
    result = Picture(
        info=dataclasses.replace(
            info_of(pixels), descriptions=("red", None, "blue", "opacity"), nodata=7.0, dpi=(300.0, 150.0)
        ),
        scale=2,
        height=40,
        width=30,
        num_colours=bands,
        dtype="uint8",
        alpha=(lambda box: np.full(box.shape, 255, np.uint8)) if alpha else None,
        icc=None,
        wanted=format_of(Path("a.tif")),
    )
    stored = np.concatenate([pixels, np.full((1, 40, 30), 255, np.uint8)]) if alpha else pixels
    with gdal():
        write_tiff(tmp_path / "a.tif", result, blocks(stored, 16))
    with opened(tmp_path / "a.tif") as raster:
        np.testing.assert_array_equal(raster.read(), stored)
        assert raster.descriptions == ("red", None, "blue", "opacity")[:bands] + ((None,) if alpha else ())
        assert (raster.block_shapes[0], raster.dtypes[0]) == ((512, 512), "uint8")
        kinds = [kind.name for kind in raster.colorinterp]
        assert kinds == (["gray"] if bands == 1 else ["red", "green", "blue"]) + (["alpha"] if alpha else [])
        assert raster.nodata == result.nodata
        tags = raster.tags()
        x, y = result.dpi or (0, 0)
        assert (float(tags["TIFFTAG_XRESOLUTION"]), float(tags["TIFFTAG_YRESOLUTION"])) == (x, y) == (600, 300)
        assert tags["TIFFTAG_RESOLUTIONUNIT"].startswith("2")


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "uint32", "float32", "float64"])
def test_a_checksum_of_any_numbers_whatever_the_order(dtype: str) -> None:
    rng = np.random.default_rng(0)
    values = (rng.normal(0, 50, (3, 40, 30))).astype(dtype) if dtype != "uint8" else picture(40, 30)
    parts = sum(value_sum(values[:, top : top + 7]) for top in range(0, 40, 7)) % SUM_MODULUS
    assert parts == value_sum(values) % SUM_MODULUS
    other = values.copy()
    other[1, 2, 3] += 1
    assert value_sum(other) != value_sum(values)


def test_zeros_and_nans_are_what_they_are_after_a_sparse_tile() -> None:
    zeros, nans = np.array([0.0, -0.0], np.float32), np.array([np.nan, -np.nan], np.float32)
    nans[1:].view(np.uint32)[0] |= 0x80000123
    assert value_sum(zeros) == 2 * value_sum(zeros[:1])
    assert value_sum(nans) == 2 * value_sum(nans[:1])
