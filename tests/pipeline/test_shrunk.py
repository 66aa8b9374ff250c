"""The small copy of a canvas, made region by region, against numpy on the whole."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.shrunk import Shrink, shrink_steps
from storage.box import Box, RegionGrid


def shrunk(whole: np.ndarray, side: int, steps: tuple[int, int]) -> np.ndarray:
    """By way of regions of ``side``, each looked at in two parts."""
    grid = RegionGrid(height=whole.shape[1], width=whole.shape[2], side=side)
    shrink = Shrink(channels=len(whole), grid=grid, step_y=steps[0], step_x=steps[1])
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


@settings(max_examples=40, deadline=None)
@given(
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    side=st.integers(1, 17),
    step_y=st.integers(1, 9),
    step_x=st.integers(1, 9),
)
def test_it_is_made_of_means(height: int, width: int, side: int, step_y: int, step_x: int) -> None:
    """Blocks lie over the regions' borders and are cut at the canvas's; then mean and deviation are the canvas's."""
    whole = np.random.default_rng(height * width).normal(2, 3, (2, height, width)).astype(np.float32)
    found = shrunk(whole, side, (step_y, step_x))
    copy = np.array(
        [
            [whole[:, y : y + step_y, x : x + step_x].astype(np.float64).mean((1, 2)) for x in range(0, width, step_x)]
            for y in range(0, height, step_y)
        ]
    ).transpose(2, 0, 1)
    if step_y * step_x > 1:
        for channel, values in zip(whole.astype(np.float64), copy, strict=True):
            if values.std() > 1e-6:
                values[:] = (values - values.mean()) / values.std() * channel.std() + channel.mean()
            else:
                values[:] = values - values.mean() + channel.mean()
            values[:] = values.clip(channel.min(), channel.max())
    np.testing.assert_allclose(found, copy, rtol=1e-4, atol=1e-5)


def test_a_canvas_of_one_window_is_its_own_copy() -> None:
    whole = np.random.default_rng(0).normal(size=(4, 50, 64)).astype(np.float32)
    assert shrink_steps(50, 64, 64) == (1, 1)
    np.testing.assert_array_equal(shrunk(whole, 24, (1, 1)), whole)


@given(height=st.integers(8, 100_000), width=st.integers(8, 100_000))
def test_copies_are_bounded_and_never_a_thread(height: int, width: int) -> None:
    step_y, step_x = shrink_steps(height, width, 64)
    rows, cols = -(-height // step_y), -(-width // step_x)
    assert 8 <= min(rows, cols) <= max(rows, cols) <= 64
