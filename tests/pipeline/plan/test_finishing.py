"""How far what is finished reaches, by the numbers of each part."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from pipeline.plan.facts import ImageFacts
from pipeline.plan.finishing import can_exceed, finish_halo, finish_reach, has_others
from pipeline.plan.plan import Plan
from tests.support.tiny import small_plan

AGREEING = 2 * 3
"""turns, each of which sees 3 input pixels"""
SPECTRA = 3
"""bicubic's"""
INJECTED = 3 + 4
"""bicubic's, and the square of a gain"""


def plan_of(bands: int = 3, scale: int = 4, dtype: str = "uint8", **settings: Any) -> Plan:
    plan = small_plan(scale=scale)
    shown = () if bands in (1, 3) else (0, 1, 2)
    image = ImageFacts(height=75, width=125, num_bands=bands, dtype=dtype, sha256="0", shown=shown)
    given = {"codec.consistency": False, **settings}
    return dataclasses.replace(plan, image=image, recipe=plan.recipe.with_settings(given))


@pytest.mark.parametrize(
    ("plan", "reach", "halo"),
    [
        (plan_of(), 0, 0),
        (plan_of(**{"codec.consistency": True}), AGREEING + SPECTRA, 4 * (AGREEING + SPECTRA + 1)),
        (plan_of(bands=5), AGREEING + INJECTED, 4 * (AGREEING + INJECTED + 1)),
        (
            plan_of(bands=5, **{"codec.consistency": True}),
            2 * AGREEING + INJECTED + SPECTRA,
            4 * (2 * AGREEING + INJECTED + SPECTRA + 1),
        ),
        # six turns of bicubic and of three deviations
        (
            plan_of(**{"codec.consistency": True, "codec.point_spread": 0.5}),
            6 * (3 + 2) + SPECTRA,
            4 * (6 * 5 + SPECTRA + 1),
        ),
        (plan_of(bands=1, **{"codec.consistency": True}), AGREEING, 4 * (AGREEING + 1)),
        (plan_of(scale=1, **{"codec.consistency": True}), 0, 0),
        (plan_of(bands=5, scale=1), 0, 1),
    ],
)
def test_reaches(plan: Plan, reach: int, halo: int) -> None:
    assert (finish_reach(plan), finish_halo(plan)) == (reach, halo)
    assert plan.decode_halo == plan.geometry.codec.decoder_halo + -(-halo // plan.geometry.factor)


def test_bands_that_the_model_does_not_see() -> None:
    assert [has_others(plan_of(bands=bands)) for bands in (1, 3, 4)] == [False, False, True]


@pytest.mark.parametrize(
    ("dtype", "levels", "expected"),
    [
        ("uint8", (0.0, 255.0), False),
        ("uint8", (0.0, 254.0), True),
        ("uint8", (1.0, 255.0), True),
        ("uint16", (0.0, 65535.0), False),
        ("int16", (0.0, 40000.0), True),
        ("float32", (-1e9, 1e9), True),
    ],
)
def test_values_beyond_the_range(dtype: str, levels: tuple[float, float], expected: bool) -> None:
    assert can_exceed(plan_of(dtype=dtype, **{"codec.value_range": levels})) is expected
