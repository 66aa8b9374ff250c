"""A sample is the plan with another seed, that looks where there is something to invent."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from pipeline.plan.cost import price
from pipeline.plan.plan import Plan
from pipeline.plan.record import differing_fields
from pipeline.plan.samples import can_spare, sample_plan
from storage.occupancy import CELL, Occupancy
from tests.support.runs import small_plan

HEIGHT, WIDTH = 5 * CELL, 40 * CELL


def plan(**recipe: object) -> Plan:
    return small_plan(height=HEIGHT, width=WIDTH, **recipe)


def squares(*places: tuple[int, int]) -> np.ndarray:
    found = np.zeros((5, 40), bool)
    for place in places:
        found[place] = True
    return found


def occupancy(found: np.ndarray) -> Occupancy:
    return Occupancy.of(found, height=HEIGHT, width=WIDTH)


def test_without_squares_the_seed_differs_and_tiles_are_compared() -> None:
    whole = plan(seed=7)
    sample = sample_plan(whole, 2, None)
    assert sample.recipe.run.seed == 9
    assert dataclasses.replace(sample, recipe=whole.recipe) == whole
    assert sample.recipe.tiles.disagreement
    assert len(differing_fields(sample, whole)) == 2
    assert sample_plan(plan(seed=2**63 - 1), 1, None).recipe.run.seed == 0


def test_squares_and_those_round_them_are_computed() -> None:
    sample = sample_plan(plan(), 1, occupancy(squares((0, 0), (3, 20))))
    expected = squares()
    expected[:2, :2], expected[2:5, 19:22] = True, True
    assert sample.image.occupancy is not None
    np.testing.assert_array_equal(sample.image.occupancy.squares, expected)
    assert price(sample).forwards < price(plan()).forwards


def test_where_the_image_is_empty_nothing_is_computed() -> None:
    data = squares((0, 0), (0, 1), (1, 0))
    whole = plan()
    whole = dataclasses.replace(whole, image=dataclasses.replace(whole.image, occupancy=occupancy(data)))
    sample = sample_plan(whole, 1, occupancy(squares((0, 0))))
    assert sample.image.occupancy is not None
    np.testing.assert_array_equal(sample.image.occupancy.squares, data)


def test_all_squares_are_the_whole() -> None:
    assert sample_plan(plan(), 1, occupancy(np.ones((5, 40), bool))).image.occupancy is None


@pytest.mark.parametrize(("recipe", "spares"), [({}, True), ({"colour": "adain"}, False)])
def test_sums_over_the_picture_need_all_of_it(recipe: dict[str, object], spares: bool) -> None:
    assert can_spare(plan(**recipe)) is spares
