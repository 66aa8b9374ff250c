"""Bands that no model sees, against bands that are known functions of the picture."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.imaging.consistency import enlarged, shrunk
from pipeline.imaging.injection import RADIUS, REACH, gains, inject


def sharp(side: int = 160) -> np.ndarray:
    rng = np.random.default_rng(0)
    field = rng.random((side // 8, side // 8)).repeat(8, 0).repeat(8, 1) * 1000
    return field[None] + rng.normal(0, 20, (1, side, side))


@pytest.mark.parametrize("gain", [0.5, 1.0, -1.5])
def test_a_band_that_is_the_picture_times_a_number_comes_back(gain: float) -> None:
    picture = sharp()
    band = gain * picture + 300
    made = inject(shrunk(band, 4), picture, 4, 1000.0)
    inner = (slice(None), slice(40, -40), slice(40, -40))
    plain = np.abs(enlarged(shrunk(band, 4), 4) - band)[inner].mean()
    assert np.abs(made - band)[inner].mean() < 0.05 * plain


def test_a_band_that_does_not_follow_is_enlarged_by_itself() -> None:
    rng = np.random.default_rng(1)
    band = enlarged(rng.random((1, 10, 10)), 4)[:, :40, :40] * 500
    made = inject(shrunk(band, 4), np.full((1, 40, 40), 400.0) + rng.normal(0, 1e-3, (1, 40, 40)), 4, 1000.0)
    np.testing.assert_allclose(made, enlarged(shrunk(band, 4), 4), atol=0.1)


def test_gains_are_those_of_regression() -> None:
    """In the middle of one square, against NumPy's covariance."""
    rng = np.random.default_rng(2)
    coarse, low = rng.normal(500, 100, (1, 20, 20)), rng.normal(300, 80, (2, 20, 20))
    low[1] += 2 * coarse[0]
    found = gains(low, coarse, 1e-6)
    part = (slice(10 - RADIUS, 11 + RADIUS), slice(7 - RADIUS, 8 + RADIUS))
    for band in range(2):
        table = np.cov(low[band][part].ravel(), coarse[0][part].ravel(), bias=True)
        assert found[band, 10, 7] == pytest.approx(table[0, 1] / table[1, 1], rel=1e-9)


def test_gains_are_bounded() -> None:
    coarse = np.random.default_rng(3).normal(0, 1, (1, 12, 12))
    assert np.abs(gains(100 * coarse, coarse, 1.0)).max() <= 4.0


def test_a_window_and_its_reach_give_what_the_whole_gives() -> None:
    picture, low = sharp(), np.random.default_rng(4).normal(300, 50, (1, 40, 40))
    whole = inject(low, picture, 4, 1000.0)
    part = inject(low[:, 15 - REACH : 25 + REACH], picture[:, (15 - REACH) * 4 : (25 + REACH) * 4], 4, 1000.0)
    np.testing.assert_allclose(part[:, REACH * 4 : -REACH * 4], whole[:, 60:100], atol=1e-6)
