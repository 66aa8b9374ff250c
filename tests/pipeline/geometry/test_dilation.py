from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.geometry.dilation import blur_box, gather, places, plan_dilation
from storage.box import Box, RegionGrid


@settings(max_examples=40, deadline=None)
@given(st.integers(8, 60), st.integers(8, 60), st.sampled_from([8, 12, 16]), st.booleans(), st.sampled_from([1, 4]))
def test_every_latent_pixel_is_in_one_sample(height: int, width: int, native: int, zeros: bool, multiple: int) -> None:
    dilation = plan_dilation(height, width, native=native, multiple=multiple, side=None, zeros=zeros)
    values = np.arange(2 * height * width, dtype=np.float32).reshape(2, height, width)
    samples = gather(dilation, values)
    assert samples.shape == (dilation.num_samples, 2, *dilation.sample_shape)
    assert max(dilation.sample_shape) <= -(-native // multiple) * multiple + multiple
    rows, cols = places(dilation, np.arange(dilation.num_samples)[:, None, None])
    inside = (rows >= 0) & (rows < height) & (cols >= 0) & (cols < width)
    counts, found = np.zeros((height, width), dtype=int), np.zeros_like(values)
    np.add.at(counts, (rows[inside], cols[inside]), 1)
    found[:, rows[inside], cols[inside]] = samples.swapaxes(0, 1)[:, inside]
    assert (counts == 1).all()
    np.testing.assert_array_equal(found, values)


def test_samples_are_strided() -> None:
    dilation = plan_dilation(16, 16, native=4, multiple=4, side=None)
    values = np.random.default_rng(0).normal(size=(3, 16, 16)).astype(np.float32)
    samples = gather(dilation, values)
    assert dilation.factor == 4
    for p in range(4):
        for q in range(4):
            np.testing.assert_array_equal(samples[4 * p + q], values[:, p::4, q::4])


def test_padding_of_the_published_implementations_is_above_and_left() -> None:
    values = np.ones((1, 5, 7), dtype=np.float32)
    zeros = gather(plan_dilation(5, 7, native=4, multiple=1, side=None, zeros=True), values)
    assert zeros[0, 0, 0, 0] == 0
    assert zeros[3, 0, -1, -1] == 1
    edges = gather(plan_dilation(5, 7, native=4, multiple=1, side=None), values)
    assert edges.min() == 1


def test_batches_cover_every_sample_of_every_window_once() -> None:
    dilation = plan_dilation(64, 100, native=16, multiple=8, side=48)
    seen = [(window, k) for window, first, end in dilation.batches(4) for k in range(first, end)]
    assert dilation.factor == 3
    assert seen == [(window, k) for window in range(dilation.num_windows) for k in range(9)]
    canvas = Box(top=0, left=0, height=64, width=100)
    total = np.zeros(canvas.shape)
    for window in range(dilation.num_windows):
        total[dilation.window(window).slices] += dilation.weight()
    np.testing.assert_allclose(dilation.weight_sum(canvas, canvas), total, rtol=1e-6)
    assert total.min() > 0


@pytest.mark.parametrize("zeros", [True, False])
@pytest.mark.parametrize("factor", [1, 2, 3, 4])
def test_a_blurred_box_is_its_part_of_the_blurred_whole(zeros: bool, factor: int) -> None:
    """Bit for bit: products and sums of numbers, each pixel's in one order, round alike everywhere."""
    canvas = Box(top=0, left=0, height=30, width=41)
    values = np.random.default_rng(0).normal(size=(2, *canvas.shape)).astype(np.float32)

    def blur(box: Box) -> np.ndarray:
        return blur_box(lambda b: values[:, *b.slices], canvas, box, factor=factor, deviation=0.8, zeros=zeros)

    whole = blur(canvas)
    grid = RegionGrid(height=30, width=41, side=8)
    for region in range(grid.num_regions):
        box = grid.box(region)
        np.testing.assert_array_equal(blur(box), whole[:, *box.slices])
    np.testing.assert_allclose(whole, _torch_blur(values, factor, 0.8, zeros), atol=1e-5)


def _torch_blur(values: np.ndarray, factor: int, deviation: float, zeros: bool) -> np.ndarray:
    offsets = torch.arange(1 - factor, factor).double()
    kernel = torch.exp(-(offsets[:, None] ** 2 + offsets**2) / (2 * deviation**2))
    kernel = (kernel / kernel.sum())[None, None]
    padded = torch.nn.functional.pad(
        torch.from_numpy(values)[:, None].double(), [factor - 1] * 4, mode="constant" if zeros else "replicate"
    )
    return torch.nn.functional.conv2d(padded, kernel)[:, 0].numpy()


def test_a_picture_wider_than_high() -> None:
    """Every number of a plan by hand: 5 x 7 pixels, two samples an axis, sides of multiples of two."""
    dilation = plan_dilation(5, 7, native=4, multiple=2, side=None)
    assert (dilation.factor, dilation.num_samples, dilation.num_windows) == (2, 4, 1)
    assert dilation.sample_shape == (4, 4)
    assert dilation.blend == "uniform"
    assert dilation.window(0) == Box(top=0, left=0, height=5, width=7)
    np.testing.assert_array_equal(dilation.weight(), np.ones((5, 7), dtype=np.float32))
    wide = plan_dilation(5, 9, native=3, multiple=1, side=None)
    assert (wide.factor, wide.sample_shape) == (3, (2, 3))


def test_windows_share_an_eighth_and_are_blended() -> None:
    dilation = plan_dilation(40, 100, native=8, multiple=4, side=32)
    assert (dilation.factor, dilation.blend) == (4, "cosine")
    assert (dilation.windows.tops, dilation.windows.lefts) == ((0, 8), (0, 23, 45, 68))
    assert dilation.window(5) == Box(top=8, left=23, height=32, width=32)
    expected = np.cos(np.pi * (np.arange(32) - 15.5) / 32)
    np.testing.assert_allclose(dilation.weight(), np.outer(expected, expected), rtol=1e-5)
    assert dilation.batches(12) == [(w, k, min(k + 12, 16)) for w in range(8) for k in (0, 12)]


@pytest.mark.parametrize("zeros", [True, False])
def test_samples_and_their_places_by_a_loop(zeros: bool) -> None:
    """A window that its samples do not divide, 5 x 7 by 3: padding below and right, or above and left with zeros."""
    dilation = plan_dilation(5, 7, native=3, multiple=2, side=None, zeros=zeros)
    assert (dilation.factor, dilation.sample_shape) == (3, (2, 4))
    values = np.arange(1, 36, dtype=np.float32).reshape(1, 5, 7)
    samples, above, left = gather(dilation, values), (1 if zeros else 0), (5 if zeros else 0)
    rows, cols = places(dilation, np.arange(9)[:, None, None])
    for number in range(9):
        for y in range(2):
            for x in range(4):
                row, col = 3 * y + number // 3 - above, 3 * x + number % 3 - left
                assert (rows[number, y, x], cols[number, y, x]) == (row, col)
                inside = 0 <= row < 5 and 0 <= col < 7
                shown = values[0, min(max(row, 0), 4), min(max(col, 0), 6)] if inside or not zeros else 0
                assert samples[number, 0, y, x] == shown


def test_a_blur_of_three_taps() -> None:
    """exp(-2) : 1 : exp(-2) of deviation one half, along y and x apart."""
    canvas = Box(top=0, left=0, height=5, width=9)
    values = np.zeros((1, 5, 9), dtype=np.float32)
    values[0, 2, 6] = 1
    blurred = blur_box(lambda box: values[:, *box.slices], canvas, canvas, factor=2, deviation=0.5, zeros=True)
    tap = np.exp(-2.0)
    line = np.array([tap, 1, tap]) / (1 + 2 * tap)
    expected = np.zeros((5, 9))
    expected[1:4, 5:8] = np.outer(line, line)
    np.testing.assert_allclose(blurred[0], expected, rtol=1e-6)
