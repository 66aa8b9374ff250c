"""Measures of likeness against their definitions, written out."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.signal import convolve2d

from pipeline.imaging.metrics import LEAST_SIDE, Comparison, ms_ssim, ssim, vif


def pair(height: int, width: int, bands: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """A noisy picture and what it was made from, uint8."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[0:height, 0:width] / 9
    clean = 128 + 70 * np.stack([np.sin(x + band) * np.cos(2 * y) for band in range(bands)])
    return np.clip(clean + rng.normal(0, 15, clean.shape), 0, 255).astype(np.uint8), clean.astype(np.uint8)


def test_psnr_of_windows_is_that_of_all_their_pixels() -> None:
    """10 log10(peak^2 / mean square): 20 pixels off by 3 and 4 off by 9 are 180 + 324 over 24."""
    comparison = Comparison(peak=255.0)
    comparison.add(np.full((1, 4, 5), 13, np.uint8), np.full((1, 4, 5), 10, np.uint8))
    comparison.add(np.full((1, 2, 2), 1, np.uint8), np.full((1, 2, 2), 10, np.uint8))
    found = comparison.figures()
    assert found["psnr"] == pytest.approx(10 * math.log10(255**2 / (504 / 24)))
    assert [found[name] for name in LEAST_SIDE] == [None, None, None]


def test_equal_pictures() -> None:
    picture = pair(41, 50)[1]
    comparison = Comparison(peak=255.0)
    comparison.add(picture, picture)
    found = comparison.figures()
    assert found["psnr"] == math.inf
    assert found["ssim"] == pytest.approx(1)
    assert found["vif"] == pytest.approx(1, abs=1e-4)
    assert Comparison(peak=255.0).figures()["psnr"] == math.inf


@pytest.mark.parametrize(
    ("side", "measured"),
    [
        (6, set()),
        (7, {"ssim"}),
        (40, {"ssim"}),
        (41, {"ssim", "vif"}),
        # MS-SSIM halves a picture four times and then lays a window of 11 over it
        (175, {"ssim", "vif"}),
        (176, {"ssim", "vif", "ms_ssim"}),
    ],
)
def test_a_window_has_the_measures_that_its_shorter_side_allows(side: int, measured: set[str]) -> None:
    for shape in ((side, 200), (200, side)):
        comparison = Comparison(peak=255.0)
        comparison.add(*pair(*shape))
        assert set(comparison.sums) == measured
        assert all(comparison.areas[name] == side * 200 for name in measured)


def test_windows_count_by_their_area() -> None:
    comparison, windows = Comparison(peak=255.0), [pair(8, 30), pair(20, 11)]
    for one in windows:
        comparison.add(*one)
    values = [ssim(*one, 255.0) for one in windows]
    assert comparison.figures()["ssim"] == pytest.approx((values[0] * 240 + values[1] * 220) / 460)


def test_ssim_of_one_place_is_its_formula() -> None:
    """Seven pixels a side have one window: means, unbiased variances, C = (0.01 L)^2 and (0.03 L)^2; bands' mean."""
    first, second = pair(7, 7, bands=2)
    values = []
    for one, other in zip(first.astype(float), second.astype(float), strict=True):
        both = np.cov(one.ravel(), other.ravel())
        c_mean, c_spread = (0.01 * 300) ** 2, (0.03 * 300) ** 2
        light = (2 * one.mean() * other.mean() + c_mean) / (one.mean() ** 2 + other.mean() ** 2 + c_mean)
        values.append(light * (2 * both[0, 1] + c_spread) / (both[0, 0] + both[1, 1] + c_spread))
    assert ssim(first, second, 300.0) == pytest.approx(np.mean(values), rel=1e-6)


def test_the_peak_is_a_unit() -> None:
    """The same pictures in 16 bits, 257 times as large, have the same figures."""
    first, second = pair(176, 180)
    wide = [one.astype(np.uint16) * 257 for one in (first, second)]
    for measure in (ssim, ms_ssim, vif):
        found = measure(first, second, 255.0)
        assert measure(*wide, 65535.0) == pytest.approx(found, rel=1e-4)
        assert 0.1 < found < 0.99


def test_vif_is_its_definition() -> None:
    """Four scales of Gaussians of 17, 9, 5 and 3 pixels; noise of variance 2; the second is the reference."""
    first, second = (one[0].astype(float) for one in pair(48, 64))
    above, below, distorted, reference = 0.0, 0.0, first, second
    for scale in range(4):
        size = 2 ** (4 - scale) + 1
        offsets = np.arange(size) - size // 2
        line = np.exp(-(offsets**2) / (2 * (size / 5) ** 2))
        window = np.outer(line, line) / line.sum() ** 2

        def mean(values: np.ndarray, window: np.ndarray = window) -> np.ndarray:
            return convolve2d(values, window, mode="valid")

        if scale:
            reference, distorted = mean(reference)[::2, ::2], mean(distorted)[::2, ::2]
        spread = np.maximum(mean(reference**2) - mean(reference) ** 2, 0)
        spread_distorted = np.maximum(mean(distorted**2) - mean(distorted) ** 2, 0)
        gain = (mean(reference * distorted) - mean(reference) * mean(distorted)) / (spread + 1e-10)
        rest = spread_distorted - gain * (mean(reference * distorted) - mean(reference) * mean(distorted))
        gain, rest = np.maximum(gain, 0), np.maximum(np.where(gain < 0, spread_distorted, rest), 1e-10)
        above += np.log10(1 + gain**2 * spread / (rest + 2)).sum()
        below += np.log10(1 + spread / 2).sum()
    assert vif(*pair(48, 64), 255.0) == pytest.approx(above / below, rel=1e-3)
