"""How far what is finished reaches: by what is done to it, in input pixels and in output pixels."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from pipeline.imaging.consistency import reach
from pipeline.imaging.injection import REACH
from pipeline.plan.facts import ImageFacts
from pipeline.plan.finishing import can_exceed, finish_halo, finish_reach, has_others
from pipeline.plan.plan import Plan


def plan(*, scale: int = 4, agrees: bool = False, spread: float = 0.0, bands: int = 3, **facts: Any) -> Plan:
    """As much of one as is asked."""
    levels = facts.pop("levels", (10.0, 20.0))
    known = {"dtype": "uint16", "shown": (0, 1, 2), **facts}
    image = ImageFacts(height=8, width=8, num_bands=bands, sha256="", **known)
    recipe = SimpleNamespace(codec=SimpleNamespace(point_spread=spread))
    return cast(Plan, SimpleNamespace(image=image, scale=scale, agrees=agrees, recipe=recipe, levels=levels))


def test_other_bands_are_those_that_are_not_shown() -> None:
    assert not has_others(plan())
    assert has_others(plan(bands=4))
    assert not has_others(plan(bands=2, shown=()))


@pytest.mark.parametrize("spread", [0.0, 0.5])
def test_each_turn_reaches_beyond_the_one_before(spread: float) -> None:
    """Others are injected into, and made to agree with, what agrees already."""
    turn = reach(spread)
    assert finish_reach(plan(spread=spread)) == 0
    assert finish_reach(plan(spread=spread, agrees=True)) == turn
    assert finish_reach(plan(spread=spread, bands=4)) == turn + REACH
    assert finish_reach(plan(spread=spread, bands=4, agrees=True)) == 2 * turn + REACH


@pytest.mark.parametrize("scale", [2, 4])
def test_the_halo_is_those_input_pixels_and_the_one_that_a_box_begins_in(scale: int) -> None:
    assert finish_halo(plan(scale=scale)) == 0
    assert finish_halo(plan(scale=scale, agrees=True)) == (reach() + 1) * scale


def test_nothing_is_reached_where_nothing_is_enlarged() -> None:
    assert finish_reach(plan(scale=1, bands=4, agrees=True)) == 0
    assert finish_halo(plan(scale=1)) == 0
    assert finish_halo(plan(scale=1, bands=4)) == 1, "the other bands are there to be finished all the same"


@pytest.mark.parametrize(
    ("dtype", "levels", "exceeds"),
    [
        ("uint8", (0.0, 255.0), False),
        ("uint8", (-1.0, 256.0), False),
        ("uint8", (1.0, 255.0), True),
        ("uint8", (0.0, 254.0), True),
        ("int16", (0.0, 32767.0), True),
        ("float32", (-1e9, 1e9), True),
    ],
)
def test_values_beyond_the_range(dtype: str, levels: tuple[float, float], exceeds: bool) -> None:
    assert can_exceed(plan(dtype=dtype, levels=levels)) is exceeds
