"""Angles in closed form."""

from __future__ import annotations

import numpy as np

from pipeline.imaging.spectra import angles


def test_angles_are_those_of_directions() -> None:
    first = np.array([[1, 0, 2, 0, 1], [0, 3, 2, 0, 1], [0, 0, 2, 0, 1]], np.uint8)
    second = np.array([[0, 0, 4, 1, -1], [2, 9, 4, 1, -1], [2, 0, 4, 1, -1]], np.int16)
    np.testing.assert_allclose(angles(first, second), [90, 0, 0, np.nan, 180], atol=1e-5)


def test_lengths_do_not_matter() -> None:
    rng = np.random.default_rng(0)
    first, second = rng.random((2, 4, 5, 6))
    np.testing.assert_allclose(angles(first * 7, second / 3), angles(first, second), rtol=1e-9)
