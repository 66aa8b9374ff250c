"""Windows are symmetric and positive, and their known sum is the sum of the tiles."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.geometry.blend import WINDOWS, axis_window, tile_weight, weight_sum
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
