"""Difficulty read off the input, against plain loops."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from pipeline.sampling.difficulty import HALF, REACH, at_latents, from_confidence, from_gradient, refined_from, weigh
from storage.box import Box


def test_gradient_is_its_definition() -> None:
    low = torch.rand(3, 14, 17, generator=torch.Generator().manual_seed(0))
    grey, reach = np.pad(low.mean(0).numpy(), 1, mode="edge"), REACH - 1
    energy = np.zeros((14, 17))
    for y in range(14):
        for x in range(17):
            along_y = (grey[y + 2, x + 1] - grey[y, x + 1]) / 2
            along_x = (grey[y + 1, x + 2] - grey[y + 1, x]) / 2
            energy[y, x] = along_y**2 + along_x**2
    for y, x in ((0, 0), (6, 9), (13, 16)):
        near = energy[max(0, y - reach) : y + reach + 1, max(0, x - reach) : x + reach + 1].mean()
        np.testing.assert_allclose(from_gradient(low)[y, x], near / (near + HALF), rtol=1e-4)


def test_even_places_are_easy_and_edges_are_not() -> None:
    low = torch.full((3, 40, 40), 0.5)
    low[:, :, 30:] = 0.9
    found = from_gradient(low)
    assert found[:, :20].max() == 0
    assert found[:, 28:32].min() > 0.9


def test_a_window_with_its_reach_says_what_the_whole_says() -> None:
    low = torch.rand(3, 40, 40, generator=torch.Generator().manual_seed(0))
    whole, part = from_gradient(low), from_gradient(low[:, 10 - REACH : 30 + REACH, 5 - REACH : 25 + REACH])
    np.testing.assert_allclose(part[REACH:-REACH, REACH:-REACH], whole[10:30, 5:25], rtol=1e-5)


def test_difficulty_is_what_confidence_lacks() -> None:
    np.testing.assert_allclose(from_confidence(torch.tensor([[[0.25, 1.0, 0.0]]])), [[0.75, 0.0, 1.0]])


def test_looking_up_latents() -> None:
    """Scale 4 and factor 8: a latent pixel covers two input pixels; what lies beyond the input repeats its edge."""
    found = np.arange(20, dtype=np.float32)[None].repeat(6, 0)
    window, box = Box(top=0, left=4, height=6, width=20), Box(top=0, left=2, height=4, width=12)
    row = at_latents(found, window, box, 4, 8)[0]
    assert row.tolist() == [min(2 * latent + 1 - 4, 19) for latent in range(2, 14)]


@pytest.mark.parametrize(("height", "width", "cell"), [(5, 13, 4), (13, 5, 4), (6, 9, 3), (4, 7, 1), (3, 2, 8)])
def test_squares_by_a_loop(height: int, width: int, cell: int) -> None:
    """The mean of each square, which the last row and column of them have less of, to a power."""
    found = np.random.default_rng(0).random((2, height, width))
    expected = np.empty_like(found)
    for y in range(height):
        for x in range(width):
            top, left = y // cell * cell, x // cell * cell
            expected[:, y, x] = found[:, top : top + cell, left : left + cell].mean((1, 2)) ** 1.5
    weighed = weigh(found, cell, 1.5)
    assert weighed.dtype == np.float32
    np.testing.assert_allclose(weighed, expected, rtol=1e-6)


@pytest.mark.parametrize(("scale", "factor"), [(4, 8), (4, 4), (2, 8), (8, 4), (1, 8)])
def test_a_latent_looks_at_the_input_under_its_middle(scale: int, factor: int) -> None:
    """A window that begins elsewhere along y than along x, and latents on both sides beyond it."""
    window, box = Box(top=5, left=9, height=7, width=12), Box(top=1, left=3, height=13, width=19)
    found = np.random.default_rng(0).random((7, 12))
    expected = np.empty(box.shape)
    for row, y in enumerate(range(box.top, box.bottom)):
        for col, x in enumerate(range(box.left, box.right)):
            at_y, at_x = (int((place + 0.5) * factor / scale) for place in (y, x))
            expected[row, col] = found[min(max(at_y - 5, 0), 6), min(max(at_x - 9, 0), 11)]
    np.testing.assert_array_equal(at_latents(found, window, box, scale, factor), expected)


def test_confidence_beyond_its_range_is_cut() -> None:
    assert from_confidence(torch.tensor([[[1.5, -0.5, 1.0]]])).tolist() == [[0.0, 1.0, 0.0]]


@pytest.mark.parametrize(
    ("bound", "time"), [(0.0, 0.0), (0.1, 0.0), (0.100001, 100.0), (0.2, 100.0), (0.3, 200.0), (1.0, 900.0)]
)
def test_the_last_steps_are_a_share_rounded_up(bound: float, time: float) -> None:
    assert refined_from(tuple(range(900, -1, -100)), bound) == time


def test_constants_of_the_gradient() -> None:
    """A slope of 0.02 a pixel has a mean square of 4e-4, which counts one half; five pixels round a place are seen."""
    slope = (torch.arange(30.0) * 0.02).expand(3, 20, 30)
    assert from_gradient(slope)[10, 15] == pytest.approx(0.5, rel=1e-5)
    assert from_gradient(slope.transpose(1, 2))[15, 10] == pytest.approx(0.5, rel=1e-5)
    point = torch.zeros(3, 21, 21)
    point[:, 10, 10] = 1
    rows, cols = np.nonzero(from_gradient(point))
    assert (rows.min(), rows.max(), cols.min(), cols.max()) == (5, 15, 5, 15)
