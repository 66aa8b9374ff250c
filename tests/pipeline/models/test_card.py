"""What a model's card tells: its abilities by what it has, and how large a canvas must be."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from pipeline.models.card import LatentGeometry
from pipeline.models.families import analytic
from tests.support.geometries import altered


@pytest.mark.parametrize(
    ("ability", "facts"),
    [
        ("restores", {"restorer_halo": 0}),
        ("looks", {"image_width": 4}),
        ("reads_text", {"text_tokens": 77}),
        ("tells_words", {"word_cell": 2}),
    ],
)
def test_an_ability_is_there_where_its_fact_is(ability: str, facts: dict[str, Any]) -> None:
    """A halo of nothing is still a restoration module's."""
    assert not getattr(analytic.GEOMETRY, ability)
    assert getattr(altered(analytic.GEOMETRY, **facts), ability)


@pytest.mark.parametrize("multiple", [1, 4, 8])
def test_a_canvas_is_the_least_that_holds_the_pixels(multiple: int) -> None:
    geometry: LatentGeometry = altered(analytic.GEOMETRY, multiple=multiple, factor=8)
    for pixels in range(1, 300):
        sides = (side for side in range(0, 100, multiple) if side * 8 >= pixels)
        assert geometry.canvas_side(pixels) == next(sides)


def test_a_card_from_which_something_was_dropped_is_not_strict() -> None:
    assert analytic.CARD.strict
    assert not dataclasses.replace(analytic.CARD, dropped=("a layer",)).strict
