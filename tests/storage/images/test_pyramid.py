"""Averages of what is there, against a plain loop over pixels."""

from __future__ import annotations

import itertools
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.images.gdal import gdal, open_raster
from storage.images.pyramid import Holes, halve, level_shapes, write_levels
from storage.images.tiff import write_tiff
from storage.images.writers.ome_zarr import OmeZarrWriter
from tests.storage.images.files import blocks, picture
from tests.storage.images.writers.pictures import picture_of


def four(band: np.ndarray, y: int, x: int) -> list[tuple[int, int]]:
    """Places of the pixels that one of the smaller picture stands for."""
    places = itertools.product((2 * y, 2 * y + 1), (2 * x, 2 * x + 1))
    return [(row, col) for row, col in places if row < band.shape[0] and col < band.shape[1]]


@pytest.mark.parametrize("shape", [(1, 1), (2, 2), (5, 4), (1, 7), (8, 3)])
@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint32", "float32"])
def test_every_pixel_is_the_mean_of_those_that_are_there(shape: tuple[int, int], dtype: str) -> None:
    rng = np.random.default_rng(shape[0])
    pixels = rng.integers(0, 9, (2, *shape)).astype(dtype)
    found = halve(pixels, Holes(nodata=3))
    for band, y, x in np.ndindex(found.shape):
        values = [int(pixels[band, row, col]) for row, col in four(pixels[band], y, x)]
        there = [value for value in values if value != 3]
        if not there:
            assert found[band, y, x] == 3
            continue
        mean = sum(there) / len(there)
        expected = mean if dtype == "float32" else round(mean)
        if expected == 3:
            assert found[band, y, x] != 3
            assert abs(float(found[band, y, x]) - 3) <= 1
        else:
            assert float(found[band, y, x]) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "uint16", "int32", "uint32"])
@pytest.mark.parametrize("shape", [(64, 64), (7, 5), (1, 1)])
def test_what_is_all_there_is_rounded_as_numpy_rounds(dtype: str, shape: tuple[int, int]) -> None:
    limits = np.iinfo(dtype)
    rng = np.random.default_rng(shape[0])
    few = rng.integers(0, 4, (1, *shape)).astype(dtype)
    for pixels in (few, few - np.dtype(dtype).type(2) if limits.min else few, np.full_like(few, limits.max)):
        for _, y, x in np.ndindex(1, *((side + 1) // 2 for side in shape)):
            mean = np.mean([int(pixels[0, row, col]) for row, col in four(pixels[0], y, x)])
            assert halve(pixels, Holes())[0, y, x] == np.rint(mean)
    wild = rng.integers(limits.min, limits.max, (2, *shape), dtype=dtype, endpoint=True)
    # beside an opacity that hides nothing
    opaque = np.concatenate([wild, np.full((1, *shape), limits.max, dtype)])
    np.testing.assert_array_equal(halve(wild, Holes()), halve(opaque, Holes(has_alpha=True, is_hard=True))[:2])


def test_nan_has_no_part_and_stays_where_nothing_else_is() -> None:
    pixels = np.array([[[1.0, np.nan, np.nan, np.nan], [3.0, np.nan, np.nan, np.inf]]], "float32")
    for nodata in (None, math.nan):
        np.testing.assert_array_equal(halve(pixels, Holes(nodata=nodata)), [[[2.0, np.inf]]])
    pixels[0, :, 3] = np.nan
    np.testing.assert_array_equal(halve(pixels, Holes()), [[[2.0, np.nan]]])
    np.testing.assert_array_equal(halve(pixels, Holes(nodata=-9999)), [[[2.0, -9999]]])


@pytest.mark.parametrize(
    ("dtype", "nodata"), [("uint8", 0), ("uint8", 255), ("int16", -32768), ("int16", 0), ("float32", 0.0)]
)
def test_no_average_is_taken_for_nodata(dtype: str, nodata: float) -> None:
    """Of one below and one above it, or of what rounds to it."""
    low, high = (nodata - 1, nodata + 1) if dtype[0] != "u" and nodata == 0 else (nodata, nodata)
    pixels = np.array([[[low, high], [low, high]]], dtype)
    found = halve(pixels, Holes(nodata=nodata))[0, 0, 0]
    assert (found == nodata) == (low == nodata)
    near = 1 if nodata <= 0 else -1
    mixed = np.array([[[nodata, nodata + near], [nodata, nodata]]], dtype)
    assert halve(mixed, Holes(nodata=nodata))[0, 0, 0] == np.dtype(dtype).type(nodata + near)


def test_what_alpha_hides_has_no_part() -> None:
    pixels = np.array([[[10, 200, 7, 7]], [[255, 0, 0, 0]]], np.uint8)
    np.testing.assert_array_equal(halve(pixels, Holes(has_alpha=True)), [[[10, 0]], [[128, 0]]])
    np.testing.assert_array_equal(halve(pixels, Holes(has_alpha=True, is_hard=True)), [[[10, 0]], [[255, 0]]])
    half = np.array([[[10, 40]], [[100, 50]]], np.uint8)
    np.testing.assert_array_equal(halve(half, Holes(has_alpha=True)), [[[20]], [[75]]])


@given(st.integers(1, 5000), st.integers(1, 5000), st.sampled_from([1, 254, 512]))
def test_levels_halve_until_they_fit(height: int, width: int, side: int) -> None:
    shapes = level_shapes(height, width, side)
    assert len(shapes) == 1 + max(0, math.ceil(math.log2(max(height, width) / side)))
    for level, shape in enumerate(shapes):
        assert shape == (math.ceil(height / 2**level), math.ceil(width / 2**level))


@pytest.mark.parametrize("given", [{}, {"nodata": 7.0}, {"alpha": 90}])
def test_levels_on_disk_are_those_in_memory(tmp_path: Path, given: dict[str, Any]) -> None:
    """Whatever the windows that they are made in."""
    pixels = picture(1100, 700, 2, "uint16")
    pixels[:, 300:700, 100:650] = 7
    made = picture_of(OmeZarrWriter(), pixels, **given)
    if made.alpha is not None:
        pixels = np.concatenate([pixels, np.full((1, *pixels.shape[1:]), 90, np.uint16)])
    with gdal():
        write_tiff(tmp_path / "scratch", made, blocks(pixels, 200))
        paths = write_levels(tmp_path / "scratch", made, 200)
        assert len(paths) == 4
        for path in paths:
            with open_raster(str(path)) as raster:
                np.testing.assert_array_equal(raster.read(), pixels)
            pixels = halve(pixels, Holes.of(made))
