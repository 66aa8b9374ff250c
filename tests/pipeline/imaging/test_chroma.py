"""Brightness of the one, for the most part the colours of the other."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.imaging.chroma import SHARE, keep_chroma


def test_by_hand() -> None:
    """Means are 20 and 30; differences -10, 0, 10 and 0, 6, -6."""
    values, plain = np.array([10.0, 20.0, 30.0]), np.array([30.0, 36.0, 24.0])
    found = keep_chroma(values[:, None, None], plain[:, None, None])[:, 0, 0]
    expected = [20 + 0.25 * -10 + 0.75 * 0, 20 + 0.25 * 0 + 0.75 * 6, 20 + 0.25 * 10 + 0.75 * -6]
    assert SHARE == 0.75
    np.testing.assert_allclose(found, expected)


@pytest.mark.parametrize("bands", [1, 3, 5])
def test_the_mean_stays_pixel_by_pixel(bands: int) -> None:
    values, plain = np.random.default_rng(0).normal(500, 90, (2, bands, 6, 7))
    np.testing.assert_allclose(keep_chroma(values, plain).mean(0), values.mean(0))
    if bands == 1:
        np.testing.assert_allclose(keep_chroma(values, plain), values)


def test_colours_far_off_come_near() -> None:
    """The angle between spectra falls, whatever the brightness."""
    rng = np.random.default_rng(1)
    plain = rng.uniform(100, 200, (3, 20, 20))
    values = plain * 1.5 + rng.normal(0, 30, plain.shape)

    def angle(one: np.ndarray) -> float:
        cosine = (one * plain).sum(0) / np.linalg.norm(one, axis=0) / np.linalg.norm(plain, axis=0)
        return float(np.degrees(np.arccos(np.clip(cosine, -1, 1))).mean())

    assert angle(keep_chroma(values, plain)) < 0.6 * angle(values)
