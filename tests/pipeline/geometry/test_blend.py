"""Windows are symmetric and positive, and their known sum is the sum of the tiles."""

from __future__ import annotations

import math

import numpy as np
import pytest

from pipeline.geometry.blend import WINDOWS, axis_weight_sum, axis_window, tile_weight, weight_sum
from pipeline.geometry.tiles import plan_tiles
from storage.box import Box


@pytest.mark.parametrize("name", WINDOWS)
@pytest.mark.parametrize("length", [1, 2, 7, 64])
def test_symmetric_and_positive(name: str, length: int) -> None:
    window = axis_window(name, length)
    assert (window > 0).all()
    np.testing.assert_array_equal(window, window[::-1])


def test_gaussian_is_centred_in_both_axes() -> None:
    weight = tile_weight("gaussian", 8, 12)
    np.testing.assert_array_equal(weight, weight[::-1])
    np.testing.assert_array_equal(weight, weight[:, ::-1])


@pytest.mark.parametrize("name", WINDOWS)
def test_the_sum_is_known_without_adding_tiles(name: str) -> None:
    tiles = plan_tiles(50, 77, window=16, stride=10)
    added = np.zeros((50, 77))
    weight = tile_weight(name, 16, 16).astype(np.float64)
    for row in range(len(tiles.tops)):
        for col in range(len(tiles.lefts)):
            added[tiles.tile(row, col).box.slices] += weight
    canvas = Box(top=0, left=0, height=50, width=77)
    part = Box(top=13, left=40, height=30, width=37)
    np.testing.assert_allclose(weight_sum(name, tiles, canvas, part), added[part.slices], rtol=1e-5)


def test_unknown_window() -> None:
    with pytest.raises(ValueError, match="uniform, cosine, gaussian"):
        axis_window("hann", 8)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("uniform", [1, 1, 1, 1, 1]),
        # cos(72), cos(36), cos(0) degrees
        ("cosine", [0.30901699, 0.80901699, 1, 0.80901699, 0.30901699]),
        # sigma of half a pixel: exp(-8), exp(-2), 1
        ("gaussian", [3.35462628e-4, 0.13533528, 1, 0.13533528, 3.35462628e-4]),
    ],
)
def test_windows_are_their_formulas(name: str, expected: list[float]) -> None:
    window = axis_window(name, 5)
    assert window.dtype == np.float32
    np.testing.assert_allclose(window, expected, rtol=1e-6)


def test_a_tiles_weight_is_a_product_y_before_x() -> None:
    weight = tile_weight("cosine", 2, 5)
    assert (weight.shape, weight.dtype) == ((2, 5), np.float32)
    for y in range(2):
        for x in range(5):
            expected = math.cos(math.pi / 2 * (y - 0.5)) * math.cos(math.pi / 5 * (x - 2))
            assert weight[y, x] == pytest.approx(expected, rel=1e-6)


def test_sums_are_kept_in_double_until_the_end() -> None:
    """300 windows of cos(pi / 4) over one pixel: single precision would be off by some units of its last place."""
    total = axis_weight_sum("cosine", 2, (0,) * 300, 2)
    assert total.dtype == np.float64
    np.testing.assert_allclose(total, 300 * np.float64(np.float32(math.sqrt(0.5))), rtol=1e-13)


def test_a_tile_that_is_not_square() -> None:
    tiles = plan_tiles(12, 50, window=16, stride=9)
    assert (tiles.tile_height, tiles.tile_width) == (12, 16)
    canvas, added = Box(top=0, left=0, height=12, width=50), np.zeros((12, 50))
    for left in tiles.lefts:
        added[:, left : left + 16] += tile_weight("gaussian", 12, 16)
    np.testing.assert_allclose(weight_sum("gaussian", tiles, canvas, canvas), added, rtol=1e-5)


def test_the_sum_of_weights_is_handed_out_in_single_precision() -> None:
    """As the predictions are that it divides."""
    tiles = plan_tiles(12, 50, window=16, stride=9)
    found = weight_sum("cosine", tiles, Box(top=0, left=0, height=12, width=50), Box(top=2, left=3, height=4, width=5))
    assert (found.shape, found.dtype) == ((4, 5), np.float32)
