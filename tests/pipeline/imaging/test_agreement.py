"""Figures that stream are those of the whole, which loops and NumPy tell."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from pipeline.imaging.agreement import Agreement, averaged
from pipeline.imaging.spectra import angles


@pytest.mark.parametrize("ratio", [Fraction(1), Fraction(3), Fraction(3, 2), Fraction(5, 4), Fraction(7, 3)])
def test_averages_are_those_of_finer_squares(ratio: Fraction) -> None:
    """Each pixel cut into q x q, so that whole parts of p x p make up an input pixel."""
    p, q = ratio.numerator, ratio.denominator
    values = np.random.default_rng(p).random((2, 2 * p, 3 * p))
    fine = values.repeat(q, axis=1).repeat(q, axis=2)
    expected = fine.reshape(2, 2 * q, p, 3 * q, p).mean(axis=(2, 4))
    np.testing.assert_allclose(averaged(values, ratio), expected, rtol=1e-12)


def pictures(dtype: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    low = rng.integers(300, 500, (2, 12, 16)).astype(dtype)
    made = (low.repeat(2, 1).repeat(2, 2) + rng.integers(-20, 30, (2, 24, 32))).astype(dtype)
    return made, low, low.repeat(2, 1).repeat(2, 2) + 5.0


@pytest.mark.parametrize("dtype", ["uint16", "float32"])
def test_parts_add_up(dtype: str) -> None:
    made, low, bicubic = pictures(dtype)
    agreement = Agreement(2, Fraction(2), dtype, dtype)
    for top, bottom in ((0, 5), (5, 12)):
        rows, fine = np.s_[:, top:bottom], np.s_[:, 2 * top : 2 * bottom]
        agreement.add(made[fine], low[rows], bicubic[fine])
    found = agreement.figures()
    mean = made.astype(np.float64).reshape(2, 12, 2, 16, 2).mean(axis=(2, 4))
    for band, figures in enumerate(found.bands):
        off = mean[band] - low[band]
        assert figures.bias == pytest.approx(off.mean())
        assert figures.mae == pytest.approx(np.abs(off).mean())
        assert figures.rmse == pytest.approx(np.sqrt((off**2).mean()))
        exact = np.sort(np.abs(off).ravel())[int(0.999 * off.size)]
        assert figures.p999 is not None
        assert exact <= figures.p999 <= exact * (1 + 1 / 128)
        assert figures.levels_result == len(np.unique(made[band]))
        assert figures.levels_input == len(np.unique(low[band]))
    assert found.angle == pytest.approx(angles(mean, low).mean())
    assert found.angle_to_bicubic == pytest.approx(angles(made, bicubic).mean())
    assert (found.pixels, found.only_input, found.only_result) == (12 * 16, 0, 0)


def test_holes_take_no_part_and_are_counted() -> None:
    made, low, bicubic = pictures("float32")
    made_valid, low_valid = np.ones((2, 24, 32), bool), np.ones((2, 12, 16), bool)
    made_valid[:, 3, 5] = False  # a part of one input pixel's square
    low_valid[0, 8, 8], low_valid[:, 9, 9] = False, False
    spoiled_made, spoiled_low = np.where(made_valid, made, np.nan), np.where(low_valid, low, np.float32(1e30))
    agreement = Agreement(2, Fraction(2), "float32", "float32")
    agreement.add(spoiled_made, spoiled_low, bicubic, made_valid=made_valid, low_valid=low_valid)
    found = agreement.figures()
    off = made.astype(np.float64).reshape(2, 12, 2, 16, 2).mean(axis=(2, 4)) - low
    both = low_valid.copy()
    both[:, 1, 2] = False
    for band in range(2):
        assert found.bands[band].bias == pytest.approx(off[band][both[band]].mean())
    assert (found.pixels, found.only_input, found.only_result) == (12 * 16 - 2, 1, 2)
    assert found.angle is not None
    assert np.isfinite(found.angle)


def test_nothing_in_common_has_no_figures_and_one_band_no_angle() -> None:
    agreement = Agreement(1, Fraction(2), "uint8", "uint8")
    agreement.add(
        np.ones((1, 4, 4), np.uint8),
        np.ones((1, 2, 2), np.uint8),
        np.ones((1, 4, 4)),
        low_valid=np.zeros((1, 2, 2), bool),
    )
    found = agreement.figures()
    assert (found.bands[0].bias, found.bands[0].p999, found.angle, found.angle_to_bicubic) == (None,) * 4
    assert found.only_result == 4
