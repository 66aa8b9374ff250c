"""The small copy of a canvas, made region by region, against a plain loop on the whole."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from pipeline.imaging.shrunk import Shrink, shrunk_size
from storage.box import Box, RegionGrid


def shrunk(whole: np.ndarray, side: int, size: tuple[int, int], unit: int = 1) -> np.ndarray:
    """By way of regions of ``side``, each looked at in two parts."""
    grid = RegionGrid(height=whole.shape[1], width=whole.shape[2], side=side)
    shrink = Shrink(channels=len(whole), grid=grid, height=size[0], width=size[1], unit=unit)
    shares = []
    for region in range(grid.num_regions):
        box = grid.box(region)
        half = max(1, box.height // 2)
        boxes = [Box(top=box.top, left=box.left, height=half, width=box.width)]
        if box.height > half:
            boxes.append(Box(top=box.top + half, left=box.left, height=box.height - half, width=box.width))
        shares.append(shrink.share(region, [(part, whole[:, *part.slices]) for part in boxes]))
        assert shares[-1].shape == (shrink.share_length,)
    return shrink.assemble(np.stack(shares)).numpy()


def blocks(length: int, count: int, unit: int) -> list[int]:
    """Pixels along one axis: blocks of four units, or of two or one where they fit better, in the middles of parts."""
    side = count if count == length else math.gcd(count // unit, 4) * unit
    part = Fraction(length // unit, count // side)
    starts = [math.floor((i + Fraction(1, 2)) * part - Fraction(side // unit, 2)) * unit for i in range(count // side)]
    return [start + i for start in starts for i in range(side)]


@settings(max_examples=40, deadline=None)
@given(
    height=st.integers(1, 20),
    width=st.integers(1, 20),
    side=st.integers(1, 9),
    rows=st.integers(1, 20),
    cols=st.integers(1, 20),
    unit=st.integers(1, 3),
)
def test_it_is_cut_out_in_blocks(height: int, width: int, side: int, rows: int, cols: int, unit: int) -> None:
    """Wherever the regions' borders lie; then mean, deviation and extremes are the canvas's."""
    rows, cols = min(rows, height) * unit, min(cols, width) * unit
    height, width, side = height * unit, width * unit, side * unit
    whole = np.random.default_rng(height * width).normal(2, 3, (2, height, width))
    # halves: sums of them are exact, so that means do not depend on the order
    whole = (np.round(whole * 2) / 2).astype(np.float32)
    found = shrunk(whole, side, (rows, cols), unit)
    copy = np.array([[whole[:, y, x] for x in blocks(width, cols, unit)] for y in blocks(height, rows, unit)])
    copy = copy.transpose(2, 0, 1).astype(np.float64)
    assert len(set(blocks(height, rows, unit))) == rows
    if (rows, cols) != (height, width):
        for channel, values in zip(whole.astype(np.float64), copy, strict=True):
            stretch = channel.std() / values.std() if values.std() > 1e-6 else 1.0
            values[:] = (values - values.mean()) * stretch + channel.mean()
        copy = copy.clip(whole.min(), whole.max())
    np.testing.assert_allclose(found, copy, rtol=1e-4, atol=1e-5)


def test_what_changes_from_pixel_to_pixel_is_kept() -> None:
    """A norm sees a copy of noise as it sees the noise; of averages it would see next to nothing but the stretch."""
    noise = np.random.default_rng(0).normal(size=(1, 256, 256)).astype(np.float32)
    copy = shrunk(noise, 64, (64, 64))[0]
    blocks = functional.avg_pool2d(torch.from_numpy(copy)[None], 2)[0].numpy()
    assert abs(blocks.std() / copy.std() - 0.5) < 0.03


def test_what_repeats_at_the_distance_of_the_samples_is_seen() -> None:
    """Of four stripes that repeat, single pixels four apart would show one."""
    whole = np.tile(np.arange(4, dtype=np.float32), (1, 256, 64))
    copy = shrunk(whole, 64, (64, 64))
    assert np.bincount(np.round(copy).astype(int).ravel()).tolist() == [1024] * 4


def test_a_canvas_of_one_window_is_its_own_copy() -> None:
    whole = np.random.default_rng(0).normal(size=(4, 50, 64)).astype(np.float32)
    assert shrunk_size(50, 64, 64) == (50, 64)
    np.testing.assert_array_equal(shrunk(whole, 24, (50, 64)), whole)


@given(height=st.integers(8, 100_000), width=st.integers(8, 100_000))
def test_copies_are_bounded_and_never_a_thread(height: int, width: int) -> None:
    assert 8 <= min(shrunk_size(height, width, 64)) <= max(shrunk_size(height, width, 64)) <= 64
