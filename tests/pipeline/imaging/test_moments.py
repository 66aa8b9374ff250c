"""Moments added up in parts, against numpy on all the values."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.imaging.moments import Moments, Rescaling, from_vector, join, moments, rescaling_from


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


def test_rescaling_is_its_formula() -> None:
    """(x - mean) * deviation' / deviation + mean', each of the four where it stands."""
    found = Rescaling(mean=2.0, deviation=4.0, mean_to=-1.0, deviation_to=6.0)
    values = np.array([[2.0, 6.0, -6.0]], dtype=np.float32)
    assert found.apply(values).tolist() == [[-1.0, 5.0, -13.0]]
    assert found.apply(values).dtype == np.float32
    assert found.to_vector().tolist() == [2.0, 4.0, -1.0, 6.0]
    assert rescaling_from(found.to_vector()) == found


def test_only_where_both_agree_is_there_nothing_to_do() -> None:
    values = np.array([[0.1, 0.7]], dtype=np.float32)
    assert Rescaling(mean=0.3, deviation=0.7, mean_to=0.3, deviation_to=0.7).apply(values) is values
    moved = Rescaling(mean=0.5, deviation=0.7, mean_to=1.5, deviation_to=0.7).apply(values)
    np.testing.assert_allclose(moved, values + 1, rtol=1e-6)
    stretched = Rescaling(mean=0.0, deviation=0.5, mean_to=0.0, deviation_to=1.0).apply(values)
    np.testing.assert_allclose(stretched, 2 * values, rtol=1e-6)


def test_moments_of_a_few_numbers() -> None:
    """By hand: 1, 2, 6 and 0, 0, 3."""
    found = moments(torch.tensor([[1.0, 2.0, 6.0], [0.0, 0.0, 3.0]]))
    assert (found.count.tolist(), found.mean.tolist(), found.m2.tolist()) == ([3, 3], [3, 1], [14, 6])
    assert found.variance().tolist() == [14 / 3, 2]
    assert found.variance(correction=1).tolist() == [7, 3]
    assert found.to_vector().tolist() == [3, 3, 3, 1, 14, 6]
    both = found.joined(moments(torch.tensor([[7.0], [9.0]])))
    assert (both.count.tolist(), both.mean.tolist(), both.m2.tolist()) == ([4, 4], [4, 3], [26, 54])


def test_nothing_seen_yet_is_no_division_by_zero() -> None:
    nothing = Moments(count=np.zeros(1), mean=np.zeros(1), m2=np.zeros(1))
    assert nothing.joined(nothing).mean.tolist() == [0]
    assert nothing.variance(correction=1).tolist() == [0]


def test_parts_are_joined_in_the_order_given() -> None:
    """Another order rounds otherwise, and a resumed run would differ."""
    parts = [moments(torch.full((1, count), value)) for count, value in ((3, 0.1), (7, 1e8), (5, -3.3))]
    one = parts[0].joined(parts[1]).joined(parts[2])
    assert join(parts).to_vector().tobytes() == one.to_vector().tobytes()
    with pytest.raises(StopIteration):
        join([])
