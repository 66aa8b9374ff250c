"""Loose input is parsed once, and what is wrong is named."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from pipeline.plan.presets import load_recipe, parse_recipe
from pipeline.plan.recipe import Recipe
from tests.support.presets import PRESETS


@pytest.mark.parametrize("name", PRESETS)
def test_presets_load(name: str) -> None:
    assert load_recipe(name).name == name


def test_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(
        'preset = "multidiffusion"\nsampling.steps = 7\nguidance.weight = 2\n'
        'codec.value_range = [0, 4000]\ntiles.blend = "gaussian"\n'
    )
    recipe = load_recipe(str(path))
    assert (recipe.sampling.steps, recipe.guidance.weight, recipe.codec.value_range, recipe.tiles.blend) == (
        7,
        2,
        (0.0, 4000.0),
        "gaussian",
    )


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"stpes": 4}, "unknown key 'stpes'; did you mean sampling.steps"),
        ({"zzz": 4}, "known keys"),
        ({"steps": "4"}, "steps must be of type int"),
        ({"steps": True}, "steps must be of type int"),
        ({"steps": 0}, "steps must be at least 1"),
        ({"preset": "nothing"}, "preset must be one of"),
        ({"blend": "hann"}, "blend must be one of"),
        ({"solver": "heun"}, "solver must be one of"),
        ({"value_range": [1]}, "two numbers"),
        ({"value_range": [2, 1]}, "rising"),
        ({"value_range": [0, math.inf]}, "finite"),
        ({"guidance": math.nan}, "guidance.weight must be between 0 and 100, got nan"),
        ({"guidance": math.inf}, "guidance.weight must be between 0 and 100, got inf"),
        ({"preset": ["yoda"]}, "preset must be one of"),
        ({"strength": 0}, "strength"),
        ({"activity": "some"}, "activity must be one of"),
        ({"activity": "mask", "difficulty": "none"}, "needs a difficulty"),
        ({"group_bounds": [0.5, 0.75]}, "group_bounds must fall"),
        ({"group_bounds": [0.5]}, "two numbers"),
        ({"group_times": [700, 400, 1000]}, "group_times must rise"),
        ({"group_times": [400, 1000]}, "three numbers"),
        ({"lower_bound": 0}, "lower_bound"),
        ({"group_steps": [1, 2, 4]}, "difficulty.group_steps = .* is read with difficulty.activity = 'groups' only"),
        ({"activity": "groups", "group_steps": [2, 2, 4]}, "group_steps must rise"),
        ({"activity": "groups", "group_steps": [1, 2.5, 4]}, "three whole numbers"),
        ({"activity": "groups", "group_steps": [1, 2, 4], "steps": 8}, "one number"),
        ({"activity": "groups", "group_steps": [1, 2, 9], "group_times": [1, 2, 4]}, "do not fit"),
        (
            {"activity": "groups", "group_steps": [4, 8, 12], "group_times": [4.5, 8.5, 12.5]},
            "do not fit .*: take fewer steps",
        ),
        ({"activity": "groups", "strength": 0.5}, "exclude one another: groups lay the timesteps"),
        ({"spacing": "even"}, "spacing must be one of"),
        ({"seed": -1}, "seed"),
    ],
)
def test_refusals_name_the_key(table: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_recipe(table, where="mine.toml")


def test_missing_and_broken_files(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="neither a preset"):
        load_recipe("multidifusion")
    (tmp_path / "bad.toml").write_text("sampling.steps = = 4")
    with pytest.raises(ValueError, match="not a TOML file"):
        load_recipe(str(tmp_path / "bad.toml"))


def test_frozen() -> None:
    with pytest.raises(AttributeError):
        Recipe().sampling.steps = 3  # type: ignore[misc]
