"""The flat names of the release before: each is one setting, and all are there."""

from __future__ import annotations

import dataclasses

import pytest

from pipeline.plan.flat import FLAT, dotted, outdated_line
from pipeline.plan.recipe import SETTINGS, Recipe

SINCE = {"model.strict", "codec.consistency", "codec.point_spread", "tiles.disagreement"}
"""settings that never had a flat name"""


def test_every_flat_name_is_one_setting() -> None:
    assert len(FLAT) == len(set(FLAT.values())) == 70
    assert set(FLAT.values()) == set(SETTINGS) - SINCE


def test_a_recipe_by_flat_names_and_back() -> None:
    flat = {"window": 16, "guidance": 3.0, "stages": "double", "difficulty_power": None, "name": "mine"}
    recipe = Recipe.from_flat(**flat)
    assert recipe.to_flat() == Recipe().to_flat() | flat
    assert Recipe.from_flat(**recipe.to_flat()) == recipe
    assert all(recipe.value(old) == recipe.value(new) for old, new in FLAT.items())
    assert dataclasses.asdict(recipe)["tiles"]["window"] == 16


@pytest.mark.parametrize("name", ["nothing", "tiles.nothing", "name"])
def test_other_names_stay(name: str) -> None:
    assert dotted(name) == name


def test_the_line_says_what_to_write() -> None:
    line = outdated_line(["window", "guidance"], where="mine.toml")
    assert line.startswith("mine.toml: ")
    assert line.endswith("write tiles.window for window, guidance.weight for guidance")
