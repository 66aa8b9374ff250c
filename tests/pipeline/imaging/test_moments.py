"""Moments added up in parts, against numpy on all the values."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.imaging.moments import from_vector, join, moments


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 1000), cuts=st.lists(st.integers(1, 59), max_size=6, unique=True), mean=st.floats(-1e6, 1e6))
def test_parts_are_the_whole(seed: int, cuts: list[int], mean: float) -> None:
    """However it is cut, and where the mean is a million times the deviation."""
    values = mean + np.random.default_rng(seed).normal(size=(2, 60))
    whole = join(moments(torch.from_numpy(part)) for part in np.split(values, sorted(cuts), axis=1))
    np.testing.assert_array_equal(whole.count, 60)
    np.testing.assert_allclose(whole.mean, values.mean(1), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(whole.variance(), values.var(1), rtol=1e-8)
    np.testing.assert_allclose(whole.variance(correction=1), values.var(1, ddof=1), rtol=1e-8)


def test_groups_of_features_are_flattened() -> None:
    features = torch.randn(4, 3, 5, 7)
    found = moments(features)
    np.testing.assert_allclose(found.mean, features.double().mean((1, 2, 3)))
    np.testing.assert_allclose(found.variance(), features.double().var((1, 2, 3), correction=0))


def test_a_vector_is_read_back() -> None:
    found = moments(torch.randn(2, 9))
    again = from_vector(found.to_vector())
    for name in ("count", "mean", "m2"):
        np.testing.assert_array_equal(getattr(again, name), getattr(found, name))
