"""Known shifts are found, and taken off again."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.imaging.shift import find_shift, moved


def smooth(down: float, across: float) -> np.ndarray:
    """Bumps that begin anew at the edges, moved by a part of a pixel."""
    y, x = np.mgrid[0:64, 0:48].astype(float)
    y, x = (y - down) * 2 * np.pi / 64, (x - across) * 2 * np.pi / 48
    found: np.ndarray = sum(np.sin(k * y + k) * np.cos((7 - k) * x) for k in range(1, 7))
    return found


@pytest.mark.parametrize("shift", [(0.0, 0.0), (2.0, -3.0), (0.5, -1.24)])
def test_a_shift_is_found(shift: tuple[float, float]) -> None:
    assert find_shift(smooth(-shift[0], -shift[1]), smooth(0, 0)) == pytest.approx(shift, abs=0.021)


def test_what_is_too_far_is_no_shift() -> None:
    picture = np.random.default_rng(0).random((32, 32))
    assert find_shift(np.roll(picture, 5, 0), picture) == (-5, 0)
    assert find_shift(np.roll(picture, 6, 0), picture) is None


def test_an_even_picture_shows_no_shift() -> None:
    """Phase correlation of rounding errors finds one anywhere."""
    even = np.full((1, 24, 20), 0.3).mean(axis=0) + 1e-16 * np.random.default_rng(0).random((24, 20))
    assert find_shift(even, even[::-1]) is None


def test_moving_is_linear_and_repeats_the_edges() -> None:
    ramp = np.arange(6.0)[None, None] * np.ones((1, 4, 1))
    np.testing.assert_allclose(moved(ramp, (1.5, 2.25))[0, 0], [0, 0, 0, 0.75, 1.75, 2.75])
    np.testing.assert_allclose(moved(ramp, (0, -0.5))[0, 3], [0.5, 1.5, 2.5, 3.5, 4.5, 5])
    picture = np.random.default_rng(0).random((2, 9, 8))
    np.testing.assert_array_equal(moved(picture, (0, 0)), picture)
    np.testing.assert_allclose(moved(picture, (2, -1))[:, 2:, :-1], picture[:, :-2, 1:])
