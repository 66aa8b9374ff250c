"""Percentiles of a stream, against NumPy's of all values at once."""

from __future__ import annotations

import numpy as np
import pytest

from storage.images.histogram import Histogram


@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16", "int16"])
def test_short_numbers_are_exact(dtype: str) -> None:
    limits, rng = np.iinfo(dtype), np.random.default_rng(1)
    values = rng.integers(limits.min, limits.max, size=5000, endpoint=True).astype(dtype)
    histogram = Histogram(dtype)
    for part in np.array_split(values, 7):
        histogram.add(part)
    assert (histogram.least, histogram.most, histogram.count) == (values.min(), values.max(), 5000)
    assert histogram.mean == pytest.approx(values.astype(float).mean())
    ordered = np.sort(values)
    for share in (0.0, 0.1, 1.0, 50.0, 99.0, 99.9, 100.0):
        assert histogram.percentile(share) == ordered[min(4999, int(share / 100 * 5000))]


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "uint32"])
def test_long_numbers_are_right_to_a_part_in_65536(dtype: str) -> None:
    rng = np.random.default_rng(2)
    values = (rng.normal(size=20000) * 1e4 + (3e4 if dtype == "uint32" else 2e3)).astype(dtype)
    histogram = Histogram(dtype)
    for part in np.array_split(values, 3):
        histogram.add(part)
    assert (histogram.least, histogram.most) == (values.min(), values.max())
    for share in (0.1, 2.0, 98.0, 99.9):
        exact = float(np.sort(values)[int(share / 100 * len(values))])
        found = histogram.percentile(share)
        assert abs(found - exact) <= abs(exact) / 65536
        # outwards: a range between two percentiles holds what it says
        assert found <= exact if share < 50 else found >= exact


def test_numbers_beyond_float32() -> None:
    histogram = Histogram("float64")
    histogram.add(np.array([-1e300, 0.0, 1e300]))
    assert (histogram.percentile(0), histogram.percentile(100)) == (-1e300, 1e300)
    assert abs(histogram.percentile(40)) <= 1e-300


def test_a_small_range_far_from_zero() -> None:
    """Kelvins, say: what is between the percentiles is theirs, not the whole."""
    values = np.concatenate([np.linspace(290.0, 300.0, 998), [100.0, 900.0]]).astype(np.float32)
    histogram = Histogram("float32")
    histogram.add(values)
    low, high = histogram.percentile(0.2), histogram.percentile(99.8)
    assert 289.98 < low <= 290.01
    assert 299.99 <= high < 300.02


def test_zeros_of_either_sign_are_one_value() -> None:
    histogram = Histogram("float32")
    histogram.add(np.array([-0.0, 0.0, 1.0], np.float32))
    assert (histogram.percentile(0), histogram.percentile(40)) == (0.0, 0.0)


def test_nothing_has_no_percentile() -> None:
    histogram = Histogram("uint8")
    histogram.add(np.empty(0, np.uint8))
    with pytest.raises(ValueError, match="no values"):
        histogram.percentile(50)
    assert histogram.mean == 0.0
