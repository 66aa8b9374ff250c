"""One grid of timesteps for groups of tiles that begin at different times."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.groups import LEAST_GROUP_STEPS, default_group_steps, group_grid


@given(st.integers(LEAST_GROUP_STEPS, 200))
def test_default_counts_rise_to_all_steps(steps: int) -> None:
    simple, medium, hard = default_group_steps(steps)
    assert 0 < simple < medium < hard == steps


def test_too_few_steps() -> None:
    with pytest.raises(ValueError, match="at least 3 steps, got 2"):
        default_group_steps(2)


@given(st.tuples(st.integers(1, 9), st.integers(1, 9), st.integers(1, 9)))
def test_each_group_has_its_steps_from_its_time_on(shares: tuple[int, int, int]) -> None:
    counts = shares[0], shares[0] + shares[1], sum(shares)
    times = (400.0, 700.0, 1000.0)
    grid = group_grid(times, counts)
    assert list(grid) == sorted(set(grid), reverse=True)
    for time, count in zip(times, counts, strict=True):
        assert time - 1 in grid
        assert sum(step < time for step in grid) == count
