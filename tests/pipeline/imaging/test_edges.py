"""Canny edges: closed forms, a plain loop over pixels, and regions that give the whole picture's edges."""

from __future__ import annotations

import numpy as np
import pytest
import skimage.data
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.imaging.edges import (
    NONE,
    STRONG,
    WEAK,
    candidates,
    edges,
    find_marks,
    histogram,
    join,
    median,
    rim,
    settle,
    thresholds,
)
from storage.box import Box, RegionGrid


def noise(height: int, width: int, seed: int = 0, smooth: int = 1) -> np.ndarray:
    """[3, y, x] uint8, each number over ``smooth`` pixels along x and y."""
    small = np.random.default_rng(seed).integers(0, 256, (3, -(-height // smooth), -(-width // smooth)), dtype=np.uint8)
    return small.repeat(smooth, 1).repeat(smooth, 2)[:, :height, :width]


def astronaut() -> np.ndarray:
    return np.ascontiguousarray(skimage.data.astronaut().transpose(2, 0, 1))


def by_regions(pixels: np.ndarray, side: int, low: int, high: int) -> np.ndarray:
    """Edges of every region by itself, which sees two pixels round it and what ``join`` tells it."""
    grid = RegionGrid(height=pixels.shape[1], width=pixels.shape[2], side=side)

    def marks(region: int) -> np.ndarray:
        box = grid.box(region)
        wide = box.grown(2, grid.canvas)

        def read(part: Box) -> np.ndarray:
            return pixels[:, *wide.slices].copy()[:, *part.within(wide)]

        return candidates(read, grid.canvas, box, low, high)

    lit = join([rim(marks(region)) for region in range(grid.num_regions)], grid)
    found = np.zeros(pixels.shape[1:], dtype=bool)
    for region in range(grid.num_regions):
        found[grid.box(region).slices] = settle(marks(region), lit[region])
    return found


def is_crest(here: int, dx: int, dy: int, around: np.ndarray) -> bool:
    """Whether a gradient's size is the largest along its direction; ``around``: [3, 3] sizes."""
    if abs(dy) * 32768 < abs(dx) * 13573:
        return here > around[1, 0] and here >= around[1, 2]
    if abs(dy) * 32768 > abs(dx) * (13573 + 65536):
        return here > around[0, 1] and here >= around[2, 1]
    if (dx < 0) != (dy < 0):
        return here > around[0, 2] and here > around[2, 0]
    return here > around[0, 0] and here > around[2, 2]


def slow_marks(pixels: np.ndarray, low: int, high: int) -> np.ndarray:
    """OpenCV's rules, a pixel at a time."""
    channels, height, width = pixels.shape
    given = np.pad(pixels.astype(int), ((0, 0), (1, 1), (1, 1)), mode="edge")
    best = np.zeros((height, width, 3), int)
    for y in range(height):
        for x in range(width):
            for c in range(channels):
                part = given[c, y : y + 3, x : x + 3]
                dx = part[0, 2] + 2 * part[1, 2] + part[2, 2] - part[0, 0] - 2 * part[1, 0] - part[2, 0]
                dy = part[2, 0] + 2 * part[2, 1] + part[2, 2] - part[0, 0] - 2 * part[0, 1] - part[0, 2]
                if c == 0 or abs(dx) + abs(dy) > best[y, x, 0]:
                    best[y, x] = abs(dx) + abs(dy), dx, dy
    size = np.pad(best[..., 0], 1)
    marks = np.zeros((height, width), np.uint8)
    for y in range(height):
        for x in range(width):
            here, dx, dy = (int(n) for n in best[y, x])
            around = size[y : y + 3, x : x + 3]
            if here > low and is_crest(here, dx, dy, around):
                marks[y, x] = STRONG if here > high else WEAK
    return marks


def slow_edges(marks: np.ndarray) -> np.ndarray:
    """Hysteresis by a stack."""
    found, stack = marks == STRONG, [*zip(*np.nonzero(marks == STRONG), strict=True)]
    while stack:
        y, x = stack.pop()
        for b in range(max(0, y - 1), min(y + 2, marks.shape[0])):
            for a in range(max(0, x - 1), min(x + 2, marks.shape[1])):
                if marks[b, a] != NONE and not found[b, a]:
                    found[b, a] = True
                    stack.append((b, a))
    return found


@pytest.mark.parametrize("smooth", [1, 3, 7])
def test_marks_and_edges_are_those_of_a_loop_over_pixels(smooth: int) -> None:
    pixels = noise(40, 33, smooth=smooth)
    canvas = Box(top=0, left=0, height=40, width=33)
    for low, high in ((100, 300), (0, 255), (300, 600)):
        marks = candidates(lambda box: pixels[:, *box.slices], canvas, canvas, low, high)
        assert np.array_equal(marks, slow_marks(pixels, low, high))
        assert np.array_equal(edges(pixels, low, high), slow_edges(marks))


def test_a_step_gives_one_line() -> None:
    """The gradient is as large on both sides of the step; the tie goes to the first."""
    for turn in range(4):
        pixels = np.full((3, 20, 20), 50, dtype=np.uint8)
        pixels[:, :, 8:] = 150
        expected = np.zeros((20, 20), dtype=bool)
        expected[:, 7] = True
        found = edges(np.rot90(pixels, turn, axes=(1, 2)).copy(), 100, 200)
        if turn in (1, 2):  # the step's other side comes first then
            expected = np.roll(expected, 1, axis=1)
        assert np.array_equal(found, np.rot90(expected, turn))


def test_an_even_picture_has_none_and_a_slope_is_no_edge() -> None:
    assert not edges(np.full((3, 16, 16), 77, dtype=np.uint8), 0, 0).any()
    slope = np.broadcast_to(np.arange(0, 160, 5, dtype=np.uint8), (3, 32, 32))
    assert not edges(slope, 20, 60)[:, 1:-1].any()


def test_the_strongest_colour_counts() -> None:
    pixels = np.full((3, 12, 12), 90, dtype=np.uint8)
    pixels[1, :, 6:] = 200
    grey = pixels.copy()
    grey[:] = pixels[1]
    assert np.array_equal(edges(pixels, 80, 200), edges(grey, 80, 200))
    assert edges(pixels, 80, 200).sum() == 12


def test_hysteresis_keeps_weak_marks_that_lead_to_strong_ones() -> None:
    """A step that grows from 20 to 60 along its line, beside one that stays at 20."""
    pixels = np.full((3, 64, 40), 20, dtype=np.uint8)
    pixels[:, :, 10:] += np.linspace(20, 60, 64).astype(np.uint8)[:, None]
    other = np.full((3, 64, 40), 20, dtype=np.uint8)
    other[:, :, 10:] += 20
    found = edges(pixels, 70, 200)
    assert found[:, 9:11].any(axis=1).all()
    assert not found[:, 12:].any()
    assert not edges(other, 70, 200).any()


def test_median_and_thresholds() -> None:
    rng = np.random.default_rng(0)
    for size in (1, 2, 7, 100, 1001):
        values = rng.integers(0, 256, size, dtype=np.uint8)
        assert median(histogram(values)) == np.median(values)
    pixels = astronaut()
    assert np.median(pixels) == median(histogram(pixels)) == 120
    assert thresholds(histogram(pixels)) == (84, 156)
    assert thresholds(histogram(np.full(3, 230, dtype=np.uint8))) == (161, 255)
    assert thresholds(histogram(pixels), share=2) == (0, 255)
    parts = [histogram(part) for part in np.array_split(pixels, 5, axis=1)]
    assert np.array_equal(sum(parts), histogram(pixels))


@settings(max_examples=25, deadline=None)
@given(
    height=st.integers(1, 60),
    width=st.integers(1, 60),
    side=st.integers(3, 33),
    smooth=st.integers(1, 9),
    low=st.sampled_from([10, 150, 300]),
)
def test_regions_of_noise_have_the_whole_picture_s_edges(
    height: int, width: int, side: int, smooth: int, low: int
) -> None:
    pixels = noise(height, width, seed=side, smooth=smooth)
    assert np.array_equal(by_regions(pixels, side, low, 700), edges(pixels, low, 700))


def test_marks_in_parts_are_those_of_the_region(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.imaging.edges.PART", 13)
    pixels = noise(61, 47, smooth=3)
    grid = RegionGrid(height=61, width=47, side=31)
    for region in range(grid.num_regions):
        asked: list[Box] = []

        def read(box: Box, asked: list[Box] = asked) -> np.ndarray:
            asked.append(box)
            return pixels[:, *box.slices]

        expected = candidates(lambda box: pixels[:, *box.slices], grid.canvas, grid.box(region), 100, 300)
        assert np.array_equal(find_marks(read, grid, region, 100, 300), expected)
        assert asked == [grid.box(region).grown(2, grid.canvas)]


@pytest.mark.parametrize("side", [64, 100, 200])
def test_regions_of_a_photograph_have_the_whole_picture_s_edges(side: int) -> None:
    pixels = astronaut()
    low, high = thresholds(histogram(pixels))
    for strong in (high, 800):  # few strong marks: long chains over many regions
        expected = edges(pixels, low, strong)
        assert np.array_equal(by_regions(pixels, side, low, strong), expected)
        assert 0.01 < expected.mean() < 0.4


def test_a_chain_that_winds_through_every_region() -> None:
    """One strong mark lights a spiral's whole length; cut once, only the part that it is on."""
    marks = np.zeros((41, 41), dtype=np.uint8)
    y = x = 0
    step, left, length = (0, 1), 1, 40
    marks[0, 0] = STRONG
    while length > 2:
        for _ in range(length):
            y, x = y + step[0], x + step[1]
            marks[y, x] = WEAK
        step, left = (step[1], -step[0]), left - 1
        if left < 0:
            left, length = 1, length - 2
    for cut in (False, True):
        if cut:
            marks[40, 20] = NONE
        grid = RegionGrid(height=41, width=41, side=8)
        parts = [marks[grid.box(region).slices] for region in range(grid.num_regions)]
        lit = join([rim(part) for part in parts], grid)
        found = np.zeros(marks.shape, dtype=bool)
        for region, part in enumerate(parts):
            found[grid.box(region).slices] = settle(part, lit[region])
        assert np.array_equal(found, slow_edges(marks))
        assert np.array_equal(found, marks > NONE) != cut
