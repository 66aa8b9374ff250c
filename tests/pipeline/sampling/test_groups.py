"""One grid of timesteps for groups of tiles that begin at different times."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.models.registry import describe_model
from pipeline.plan.plan import Plan
from pipeline.sampling.groups import (
    LEAST_DEFAULT_STEPS,
    LEAST_GROUP_STEPS,
    default_group_steps,
    group_grid,
    paper_group_steps,
)
from tests.support.presets import PRESETS
from tests.support.tiny import small_plan


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


def plan_of(preset: str, *, steps: int | None) -> Plan:
    """On the embedded model, which has confidence."""
    settings = {**PRESETS[preset], "steps": steps, "window": 64, "region": 64}
    return small_plan(model=describe_model("embedded"), **settings)


def test_patchscaler_is_the_papers() -> None:
    """Section 4.3: N = 8, 14, 20 from T = 400, 700, 1000, one grid of even steps; gamma 0.95 and 0.75."""
    plan = small_plan(
        model=describe_model("embedded"), **{**PRESETS["patchscaler"], "steps": None, "window": 64}, region=64
    )
    assert plan.recipe.difficulty.group_steps == (8, 14, 20)
    assert plan.timesteps == tuple(range(999, 0, -50))
    assert plan.recipe.difficulty.group_bounds == (0.95, 0.75)
    assert (plan.recipe.codec.colour, plan.recipe.difficulty.idle_spread, plan.recipe.image_prompts.likeness) == (
        "wavelet",
        0.0,
        True,
    )
    for count, start in zip(plan.recipe.difficulty.group_steps, plan.recipe.difficulty.group_times, strict=True):
        assert sum(time < start for time in plan.timesteps) == count


def test_what_is_ours_has_another_name() -> None:
    plan = small_plan(
        model=describe_model("embedded"), **{**PRESETS["patchscaler-fast"], "steps": None, "window": 64}, region=64
    )
    assert (plan.recipe.difficulty.group_steps, plan.recipe.difficulty.group_bounds) == ((1, 2, 4), (0.35, 0.15))


def test_fewer_steps_keep_the_papers_shares() -> None:
    plan = small_plan(
        model=describe_model("embedded"), **{**PRESETS["patchscaler"], "steps": 10, "window": 64}, region=64
    )
    assert plan.recipe.difficulty.group_steps == (4, 7, 10)


def test_grids_are_the_same_in_every_version() -> None:
    """Each group's own steps lie evenly between its time and the one before, rounded to the nearest."""
    times = (400.0, 700.0, 1000.0)
    assert group_grid(times, (1, 2, 4)) == (999, 849, 699, 399)
    assert group_grid(times, (3, 5, 9)) == (999, 924, 849, 774, 699, 549, 399, 266, 132)
    assert group_grid((100.0, 300.0, 900.0), (1, 2, 3)) == (899, 299, 99)


@pytest.mark.parametrize(
    ("steps", "default", "paper"),
    [(3, (1, 2, 3), (1, 2, 3)), (5, (1, 3, 5), (2, 4, 5)), (9, (2, 5, 9), (4, 6, 9)), (30, (8, 15, 30), (12, 21, 30))],
)
def test_counts_of_groups(steps: int, default: tuple[int, int, int], paper: tuple[int, int, int]) -> None:
    assert default_group_steps(steps) == default
    assert paper_group_steps(steps, (400.0, 700.0, 1000.0)) == paper
    assert LEAST_GROUP_STEPS == 3


def test_groups_whose_times_lie_at_an_end_have_a_step_each() -> None:
    """Rounded, the first two would have none, or all."""
    assert paper_group_steps(9, (1.0, 2.0, 1000.0)) == (1, 2, 9)
    assert paper_group_steps(9, (998.0, 999.0, 1000.0)) == (7, 8, 9)
    assert paper_group_steps(4, (250.0, 600.0, 900.0)) == (1, 3, 4)
    for steps in (1, 2):
        for counts in (default_group_steps, lambda n: paper_group_steps(n, (400.0, 700.0, 1000.0))):
            with pytest.raises(ValueError, match=f"three groups of tiles need at least 3 steps, got {steps}"):
                counts(steps)
    assert LEAST_DEFAULT_STEPS == 4


def test_a_grid_of_uneven_times() -> None:
    assert group_grid((461.0, 484.0, 780.0), (4, 9, 16)) == (
        *(779, 737, 694, 652, 610, 568, 525),
        *(483, 478, 474, 469, 465),
        *(460, 345, 229, 114),
    )
