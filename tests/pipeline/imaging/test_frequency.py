"""The low-pass: its closed forms, torch's own resizing, and boxes that give the bytes of the whole canvas."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.imaging.frequency import cell_of, low_pass, mix, neighbourhood, refine
from storage.box import Box, RegionGrid

Read = Callable[[Box], np.ndarray]


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((3, height, width)).astype(np.float32)


def reader(values: np.ndarray) -> Read:
    return lambda box: values[:, *box.slices]


def canvas_of(values: np.ndarray) -> Box:
    return Box(top=0, left=0, height=values.shape[1], width=values.shape[2])


def whole(values: np.ndarray, cell: int) -> np.ndarray:
    return low_pass(reader(values), canvas_of(values), canvas_of(values), cell)


def by_torch(values: np.ndarray, cell: int) -> np.ndarray:
    """The paper's LP: torch's antialiased bilinear resizing down, its plain one up; the cell divides the canvas."""
    given = torch.from_numpy(values).double()[None]
    small = [side // cell for side in values.shape[1:]]
    options = {"mode": "bilinear", "align_corners": False}
    down = torch.nn.functional.interpolate(given, size=small, antialias=True, **options)
    return torch.nn.functional.interpolate(down, size=values.shape[1:], **options)[0].numpy()


@pytest.mark.parametrize("cell", [2, 3, 4, 5, 8])
@pytest.mark.parametrize(("rows", "cols"), [(1, 1), (2, 5), (6, 4)])
def test_it_is_torchs_resizing(cell: int, rows: int, cols: int) -> None:
    values = noise(rows * cell, cols * cell)
    np.testing.assert_allclose(whole(values, cell), by_torch(values, cell), rtol=0, atol=1e-6)


@pytest.mark.parametrize("cell", [4, 8])
def test_a_canvas_that_cells_do_not_divide_repeats_its_end(cell: int) -> None:
    values = noise(5 * cell + 1, 3 * cell - 2)
    padded = np.pad(values, ((0, 0), (0, cell - 1), (0, 2)), mode="edge")
    expected = by_torch(padded, cell)[:, : values.shape[1], : values.shape[2]]
    np.testing.assert_allclose(whole(values, cell), expected, rtol=0, atol=1e-6)


def test_a_constant_stays_itself() -> None:
    values = np.full((2, 37, 50), 0.3, dtype=np.float32)
    for cell in (2, 3, 7, 8):
        assert np.array_equal(whole(values, cell), values)


def test_one_pixel_becomes_a_triangle_of_triangles() -> None:
    """A row of 6 cells of 4: the pixel's middle, 10.5, is 0.5 from the third cell's and 3.5 from the fourth's."""
    values = np.zeros((1, 1, 24), dtype=np.float32)
    values[0, 0, 10] = 1
    down = np.array([0, 0, 3.5, 0.5, 0, 0]) / 16
    middles = np.arange(6) * 4 + 2
    expected = np.interp(np.arange(24) + 0.5, middles, down)
    np.testing.assert_allclose(whole(values, 4)[0, 0], expected, rtol=0, atol=1e-7)


def test_the_middle_of_a_slope_stays_itself() -> None:
    values = np.broadcast_to(np.arange(64, dtype=np.float32), (1, 64, 64)).copy()
    found = whole(values, 8)
    # cells at the canvas's edge see fewer pixels than the kernel has, which bends the slope there
    np.testing.assert_allclose(found[:, :, 12:52], values[:, :, 12:52], rtol=0, atol=1e-5)


def test_half_the_gain_at_the_measured_frequency() -> None:
    """Gain 0.5 at 0.08 of the Nyquist frequency for f = 1/8 and at 0.156 for 1/4; nearly nothing at f."""
    places = np.arange(1600)
    for cell, half in ((8, 0.08), (4, 0.156)):
        gains = []
        for share in (half, 2 / cell):
            wave = np.cos(np.pi * share * places)
            found = whole(wave.astype(np.float32)[None, None], cell)[0, 0]
            gains.append((found * wave)[400:1200].mean() / (wave**2)[400:1200].mean())
        assert abs(gains[0] - 0.5) < 0.04
        assert abs(gains[1]) < 0.01


@settings(max_examples=30, deadline=None)
@given(
    height=st.integers(1, 70),
    width=st.integers(1, 70),
    side=st.integers(6, 40),
    cell=st.sampled_from([2, 3, 4, 8, 16]),
)
def test_regions_give_the_bytes_of_the_canvas(height: int, width: int, side: int, cell: int) -> None:
    """Of any layout, aligned or not; each reads no more than its neighbourhood.

    Bit for bit on any processor: products and sums of numbers, each pixel's in one order, round alike everywhere.
    """
    values, reference = noise(height, width), noise(height, width, seed=1)
    canvas = canvas_of(values)
    expected = whole(values, cell)
    refined = refine(reader(reference), reader(values), canvas, canvas, gain=0.7, cell=cell)
    grid = RegionGrid(height=height, width=width, side=side)
    for region in range(grid.num_regions):
        box = grid.box(region)
        wide = neighbourhood(canvas, box, cell)
        assert wide.contains(box)
        assert box.grown(2 * cell, canvas).contains(wide)

        def read(part: Box, values: np.ndarray = values, wide: Box = wide) -> np.ndarray:
            # a copy of the neighbourhood, at another address and with other strides
            return values[:, *wide.slices].copy()[:, *part.within(wide)]

        assert np.array_equal(low_pass(read, canvas, box, cell), expected[:, *box.slices])
        found = refine(reader(reference), read, canvas, box, gain=0.7, cell=cell)
        assert np.array_equal(found, refined[:, *box.slices])


def test_refine_by_itself_and_by_nothing_changes_nothing() -> None:
    values, other = noise(40, 33), noise(40, 33, seed=1)
    canvas = canvas_of(values)
    for gain in (0.0, 0.4, 1.0):
        assert np.array_equal(refine(reader(values), reader(values), canvas, canvas, gain=gain, cell=8), values)
    assert np.array_equal(refine(reader(other), reader(values), canvas, canvas, gain=0.0, cell=8), values)


def test_refine_is_its_formula() -> None:
    values, other = noise(40, 32), noise(40, 32, seed=1)
    canvas = canvas_of(values)
    expected = values + 0.6 * (by_torch(other, 8) - by_torch(values, 8))
    found = refine(reader(other), reader(values), canvas, canvas, gain=0.6, cell=8)
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-6)


def test_mixing_takes_the_low_band_of_one_and_the_rest_of_the_other() -> None:
    """A slow wave in the enlarged latent, a fast one in the encoded picture: the mixture has both and no more."""
    places = np.arange(512, dtype=np.float64)
    slow, fast, wrong = (np.cos(2 * np.pi * places / period) for period in (512, 2.5, 256))
    latent, encoded = (part.astype(np.float32)[None, None] for part in (slow, fast + 0.5 * wrong))
    canvas = canvas_of(latent)
    found = mix(reader(latent), reader(encoded), canvas, canvas, cell=8)[0, 0]
    assert np.abs(found - slow - fast)[16:-16].max() < 0.02
    assert np.abs(encoded[0, 0] - slow - fast).max() > 0.5


@pytest.mark.parametrize("share", [0.0, -0.5, 0.3, 1.0, 0.01, float("inf"), float("nan")])
def test_shares_that_are_no_cells(share: float) -> None:
    with pytest.raises(ValueError, match="one over a whole number"):
        cell_of(share)


def test_shares_that_are() -> None:
    assert [cell_of(1 / cell) for cell in range(2, 65)] == list(range(2, 65))
    assert cell_of(0.3333) == 3
