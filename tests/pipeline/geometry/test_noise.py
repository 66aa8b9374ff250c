"""Noise belongs to a place, a step and a seed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.geometry.noise import BLOCK, block_noise, keyed_noise
from storage.box import Box, RegionGrid

WHOLE = keyed_noise(Box(top=0, left=0, height=200, width=210), channels=2, seed=9, stage=0, draw=3)


@settings(max_examples=50, deadline=None)
@given(top=st.integers(0, 150), left=st.integers(0, 150), height=st.integers(1, 50), width=st.integers(1, 60))
def test_any_window_is_cut_from_the_same_field(top: int, left: int, height: int, width: int) -> None:
    box = Box(top=top, left=left, height=height, width=width)
    np.testing.assert_array_equal(keyed_noise(box, channels=2, seed=9, stage=0, draw=3), WHOLE[:, *box.slices])


def test_keys_matter() -> None:
    box = Box(top=0, left=0, height=64, width=64)
    base = {"channels": 1, "seed": 1, "stage": 0, "draw": 0}
    fields = [keyed_noise(box, **{**base, **change}) for change in ({}, {"seed": 2}, {"stage": 1}, {"draw": 1})]
    for i, one in enumerate(fields):
        for other in fields[i + 1 :]:
            assert abs(np.corrcoef(one.ravel(), other.ravel())[0, 1]) < 0.1


def test_standard_normal_across_block_borders() -> None:
    assert abs(WHOLE.mean()) < 0.02
    assert abs(WHOLE.std() - 1) < 0.02
    assert abs(np.corrcoef(WHOLE[:, :, 63].ravel(), WHOLE[:, :, 64].ravel())[0, 1]) < 0.15


def test_noise_is_the_same_in_every_version() -> None:
    """A run that is resumed by another version, or another machine, goes on with the same noise: written down here."""
    found = keyed_noise(Box(top=62, left=127, height=3, width=2), channels=2, seed=7, stage=1, draw=5)
    expected = [
        [[-1.1370001, -0.17090239], [1.0415127, 1.3428261], [-0.30176374, -0.11951292]],
        [[0.4390747, -0.070917346], [-0.19081415, -1.7304782], [0.032632064, -1.439736]],
    ]
    np.testing.assert_allclose(found, np.array(expected), rtol=1e-6)
    block = block_noise(3, 1, 2, 4, 9, 2)
    np.testing.assert_allclose(block[1, 5, :3], [-0.9256754, 0.7766154, 0.7873271], rtol=1e-6)
    np.testing.assert_allclose(block[0, 0, :3], [0.05553437, 1.7108625, 0.1886262], rtol=1e-6)


def test_a_window_is_its_blocks_side_by_side() -> None:
    """A plain loop over a canvas that is wider than high; each block by numpy itself, with its key in full."""
    canvas, seed, stage, draw = RegionGrid(height=130, width=200, side=64), 11, 2, 4
    whole = np.empty((3, 192, 256), dtype=np.float32)
    for row in range(3):
        for col in range(4):
            key = np.random.SeedSequence([seed, stage, draw, row, col])
            own = np.random.Generator(np.random.Philox(key)).standard_normal((3, 64, 64), dtype=np.float32)
            whole[:, 64 * row : 64 * row + 64, 64 * col : 64 * col + 64] = own
    found = keyed_noise(canvas.canvas, channels=3, seed=seed, stage=stage, draw=draw)
    np.testing.assert_array_equal(found, whole[:, :130, :200])
    assert BLOCK == 64


@pytest.mark.parametrize(("one", "other"), [((1, 2), (2, 1)), ((0, 3), (3, 0))])
def test_every_part_of_the_key_has_its_own_place(one: tuple[int, int], other: tuple[int, int]) -> None:
    """Two parts exchanged are another key, any two of them."""
    for first in range(5):
        for second in range(first + 1, 5):
            keys = []
            for pair in (one, other):
                key = [5, 5, 5, 5, 5]
                key[first], key[second] = pair
                keys.append(block_noise(*key, 1))
            assert (keys[0] != keys[1]).any()
