"""Binding: what the recipe leaves open is settled by what is given, and things that go together come together."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from pipeline.models.card import ModelCard
from pipeline.models.families import analytic
from pipeline.plan.binding import COMPANIONS, Given, bind
from pipeline.plan.device import DeviceFacts
from pipeline.plan.facts import ImageFacts
from pipeline.plan.plan import Plan
from pipeline.plan.recipe import SETTINGS, Recipe
from pipeline.prompts.tag_file import TagFile
from storage.box import Box
from tests.support.geometries import altered

MODEL = dataclasses.replace(
    analytic.CARD,
    geometry=altered(analytic.GEOMETRY, text_tokens=77),
    defaults=dataclasses.replace(analytic.CARD.defaults, steps=7, guidance=3.0, batch=5, overlap=20),
)
TAGS = TagFile(degradations=(), entries=((Box(top=0, left=0, height=75, width=125), {"sea": 1.0}),))
MAP = ImageFacts(height=75, width=125, num_bands=1, dtype="uint8", sha256="1" * 64)


def bound(model: ModelCard = MODEL, given: Given | None = None, **recipe: Any) -> Plan:
    return bind(
        Recipe().with_settings(recipe),
        image=ImageFacts(height=75, width=125, num_bands=3, dtype="uint8", sha256="0" * 64),
        scale=4,
        model=model,
        device=DeviceFacts(kind="cpu", name="test", threads=1),
        versions={"torch": "1"},
        given=given or Given(),
    )


def test_what_is_left_open_is_the_models_own() -> None:
    recipe = bound().recipe
    assert (recipe.sampling.steps, recipe.guidance.weight, recipe.model.batch) == (7, 3.0, 5)
    assert recipe.tiles.overlap == 20
    asked = bound(steps=9, guidance=1.0, batch=2, overlap=8).recipe
    assert (asked.sampling.steps, asked.guidance.weight, asked.model.batch, asked.tiles.overlap) == (9, 1.0, 2, 8)


def test_nothing_is_left_open_in_a_plan() -> None:
    """But what only counts with something that the recipe does not ask for."""
    plan = bound(difficulty="gradient", activity="groups", group_bounds=(0.6, 0.4))
    left = {name for name in SETTINGS if plan.recipe.value(name) is None}
    assert not {name for name in left if name.partition(".")[0] in ("tiles", "sampling", "model", "run")} - {
        "tiles.attention_window",
        "sampling.group_steps",
        "model.revision",
    }
    assert plan.versions["torch"] == "1"


def test_a_thing_that_is_given_settles_its_setting() -> None:
    assert bound(given=Given(tags=TAGS)).recipe.prompts.source == "file"
    assert bound(given=Given(tags=TAGS), prompts="local").recipe.prompts.source == "file"
    assert bound(given=Given(difficulty_map=MAP), activity="groups").recipe.difficulty.source == "file"


SEEING = dataclasses.replace(MODEL, geometry=altered(MODEL.geometry, image_width=5), sight="0")
ASKED = {"difficulty.source": {"difficulty.activity": "groups"}}


@pytest.mark.parametrize("one", COMPANIONS, ids=lambda one: str(one.given))
def test_a_setting_without_its_thing_names_the_option(one: Any) -> None:
    with pytest.raises(ValueError, match=f"{one.what} \\({one.option}\\) and {one.field} = '{one.value}' go together"):
        bound(SEEING, **ASKED.get(one.field, {}), **{one.field: one.value})


def test_a_thing_that_the_recipe_contradicts_is_refused() -> None:
    with pytest.raises(ValueError, match=r"go together, got prompts\.source = 'global' and a tag file"):
        bound(given=Given(tags=TAGS), prompts="global")
    with pytest.raises(ValueError, match=r"go together, got difficulty\.source = 'gradient' and a map of difficulty"):
        bound(given=Given(difficulty_map=MAP), difficulty="gradient", activity="groups")


def test_the_canvas_holds_the_enlarged_image() -> None:
    """300 x 500 pixels at factor 4 are 75 x 125 latent pixels, each side rounded up to what the model takes."""
    plan = bound()
    step = MODEL.geometry.multiple
    assert plan.regions.canvas.shape == tuple(-(-side // step) * step for side in (75, 125))
    assert (plan.height_out, plan.width_out) == (300, 500)
    assert plan.tiles.tops[-1] + plan.tiles.tile_height == plan.regions.height
    assert plan.tiles.lefts[-1] + plan.tiles.tile_width == plan.regions.width


def test_times_are_one_a_step_and_fall() -> None:
    plan = bound(steps=6)
    assert len(plan.timesteps) == plan.num_steps == 6
    assert list(plan.timesteps) == sorted(plan.timesteps, reverse=True)


def test_a_tile_that_is_larger_than_a_region_is_refused() -> None:
    """Its neighbours' neighbours would wait for it."""
    with pytest.raises(ValueError, match="smaller than the tile"):
        bound(region=32, window=48, overlap=16)
    assert bound(region=48, window=48, overlap=16).tiles.tile_height == 48
