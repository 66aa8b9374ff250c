"""When detail is drawn, and how far what restores a window sees."""

from __future__ import annotations

import pytest

from pipeline.plan.detail import draws_detail, restored_halo
from tests.support.unread_cases import WORDS, card, unread_case

DRAWS = {"restorer_halo": 4, "detail_halo": 9, "native_scale": 4, "coarse": True}


@pytest.mark.parametrize(
    ("geometry", "recipe", "draws", "halo"),
    [
        ({}, {}, True, 9),
        ({}, {"detail": 0.25}, True, 9),
        ({"restorer_halo": 20}, {}, True, 20),
        ({}, {"detail": 0.0}, False, 4),
        ({}, {"coarse": "bicubic", "detail": 1.0}, False, 4),
        ({"detail_halo": None}, {"detail": 0.0}, False, 4),
    ],
)
def test_of_one_scale(geometry: dict[str, int | None], recipe: dict[str, object], draws: bool, halo: int) -> None:
    plan = unread_case(recipe, model=card(**{**DRAWS, **geometry})).plan
    assert (draws_detail(plan), restored_halo(plan)) == (draws, halo)


def test_beside_the_models_own_scale_there_is_none() -> None:
    plan = unread_case({"detail": 1.0}, model=card(**DRAWS, restorer_scales=(2, 4)), scale=2).plan
    assert (draws_detail(plan), restored_halo(plan)) == (False, 4)


def test_a_model_that_restores_nothing_sees_nothing() -> None:
    assert restored_halo(unread_case({}, model=WORDS).plan) == 0
