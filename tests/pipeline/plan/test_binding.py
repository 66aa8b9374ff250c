"""Binding: what the recipe leaves open is settled by what is given, and things that go together come together."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from pipeline.models.card import ModelCard
from pipeline.models.families import analytic
from pipeline.plan import binding
from pipeline.plan.binding import COMPANIONS, Given, bind
from pipeline.plan.device import DeviceFacts
from pipeline.plan.facts import ImageFacts
from pipeline.plan.plan import Plan
from pipeline.plan.recipe import SETTINGS, Recipe
from pipeline.prompts.tag_file import TagFile
from pipeline.prompts.tagging import Tagging
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


@pytest.mark.parametrize("one", COMPANIONS, ids=lambda one: str(one.input))
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


GATES = (
    *("scale", "parts", "guidance", "dilation", "compat", "tags", "tagger", "prompting", "attention"),
    *("seen", "textures", "options", "window", "attend", "reach"),
)


@pytest.mark.parametrize("gate", GATES)
def test_every_gate_is_asked(gate: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What each refuses is in its own tests; a plan of a recipe that one refuses is none."""

    def refuse(*_: Any, **__: Any) -> None:
        raise ValueError(f"refused by {gate}")

    monkeypatch.setattr(binding, f"check_{gate}", refuse)
    with pytest.raises(ValueError, match=f"refused by {gate}"):
        bound()


def with_geometry(model: ModelCard = MODEL, **facts: Any) -> ModelCard:
    return dataclasses.replace(model, geometry=altered(model.geometry, **facts))


BETWEEN: tuple[dict[str, Any], ...] = (
    {"difficulty.activity": "mask"},
    {"dilation.power": 1.0},
    {"guidance.guide": "structure"},
    {"tiles.jitter": "step"},
    {"sampling.skip": 2.0},
)
"""recipes that act between steps"""
ONE_STEP = dataclasses.replace(MODEL, defaults=dataclasses.replace(MODEL.defaults, steps=1))
DRAWS = dataclasses.replace(
    with_geometry(restorer_halo=2, detail_halo=3), defaults=dataclasses.replace(MODEL.defaults, detail=0.5)
)


@pytest.mark.parametrize(
    ("model", "recipe", "settled"),
    [
        (MODEL, {}, {"tiles.window": 64, "tiles.overlap": 20, "tiles.attention_window": None, "model.batch": 5}),
        (MODEL, {"tiles.window": 24}, {"tiles.window": 24, "tiles.overlap": 12}),
        (MODEL, {}, {"sampling.coarse": "bicubic", "sampling.solver": "ddim", "sampling.start": "noise"}),
        (with_geometry(coarse=False), {}, {"sampling.start": "image"}),
        (MODEL, {"difficulty.activity": "mask"}, {"sampling.start": "image", "difficulty.source": "gradient"}),
        (with_geometry(restorer_halo=2), {}, {"sampling.coarse": "restored", "sampling.detail": 0.0}),
        (with_geometry(DRAWS, native_scale=4), {}, {"sampling.detail": 0.5}),
        (with_geometry(DRAWS, native_scale=8, restorer_scales=(4, 8)), {}, {"sampling.detail": 0.0}),
        (with_geometry(restorer_halo=2), {"difficulty.activity": "mask"}, {"difficulty.source": "confidence"}),
        (MODEL, {}, {"difficulty.source": "none", "difficulty.cell": 1, "difficulty.power": 1.0}),
        (MODEL, {}, {"prompts.source": "global", "prompts.tag_threshold": 0.0, "prompts.most_tags": 0}),
        (with_geometry(tags=True), {}, {"prompts.source": "local"}),
        (ONE_STEP, {}, {"sampling.steps": 1}),
        (ONE_STEP, {"sampling.start": "image", "sampling.strength": 0.2}, {"sampling.steps": 3}),
        (ONE_STEP, {"sampling.start": "noise"}, {"sampling.steps": 1}),
        *((ONE_STEP, between, {"sampling.steps": 2}) for between in BETWEEN),
        *((MODEL, between, {"sampling.steps": MODEL.defaults.steps}) for between in BETWEEN),
        (ONE_STEP, {"difficulty.activity": "mask", "sampling.steps": 1}, {"sampling.steps": 1}),
        (MODEL, {"stages.growth": "linear"}, {"prompts.crops": "none"}),
        (with_geometry(crops=True), {}, {"prompts.crops": "none"}),
        (with_geometry(crops=True), {"stages.growth": "linear"}, {"prompts.crops": "tile"}),
        (MODEL, {}, {"model.dtype": "float32", "structure.controls": "none", "codec.value_range": (0.0, 255.0)}),
        (
            with_geometry(attends_nearby=True),
            {"tiles.attend": "neighbourhood", "tiles.region": 96},
            {"tiles.window": 96, "tiles.attention_window": 64, "tiles.overlap": 32, "model.batch": 1},
        ),
        (
            with_geometry(attends_nearby=True),
            {"tiles.attend": "neighbourhood", "tiles.region": 96, "tiles.window": 48},
            {"tiles.window": 48, "tiles.attention_window": 48, "tiles.overlap": 24},
        ),
        (
            with_geometry(attends_nearby=True),
            {"tiles.attend": "neighbourhood", "tiles.attention_window": 16, "model.batch": 3},
            {"tiles.window": 256, "tiles.attention_window": 16, "tiles.overlap": 8, "model.batch": 3},
        ),
        # the canvas is 75 x 125 latent pixels
        (with_geometry(decoder_norms=1, norm_groups=1, codec={"window": 125}), {}, {"codec.norm": "window"}),
        (with_geometry(decoder_norms=1, norm_groups=1, codec={"window": 124}), {}, {"codec.norm": "fast"}),
        (
            with_geometry(decoder_norms=1, norm_groups=1),
            {"tiles.region": 124},
            {"codec.norm": "fast"},
        ),
        (with_geometry(codec={"window": 124}), {}, {"codec.norm": "window"}),
        (MODEL, {"difficulty.activity": "groups"}, {"sampling.steps": 7, "difficulty.group_steps": (2, 4, 7)}),
        (
            dataclasses.replace(MODEL, defaults=dataclasses.replace(MODEL.defaults, steps=2)),
            {"difficulty.activity": "groups"},
            {"sampling.steps": 4, "difficulty.group_steps": (1, 2, 4)},
        ),
        (
            MODEL,
            {"difficulty.activity": "groups", "difficulty.group_numbers": "paper"},
            {"sampling.steps": 20, "difficulty.group_steps": (8, 14, 20)},
        ),
        (
            MODEL,
            {"difficulty.activity": "groups", "difficulty.group_numbers": "paper", "sampling.steps": 10},
            {"sampling.steps": 10, "difficulty.group_steps": (4, 7, 10)},
        ),
    ],
)
def test_what_is_settled_by_hand(model: ModelCard, recipe: dict[str, Any], settled: dict[str, Any]) -> None:
    plan = bound(model, **recipe)
    assert {name: plan.recipe.value(name) for name in settled} == settled


def test_values_of_sixteen_bits() -> None:
    plan = bind(
        Recipe(),
        image=ImageFacts(height=75, width=125, num_bands=3, dtype="uint16", sha256="0" * 64),
        scale=4,
        model=MODEL,
        device=DeviceFacts(kind="cpu", name="test", threads=1),
        versions={},
    )
    assert plan.recipe.codec.value_range == (0.0, 65535.0)


def test_phrases_that_speak_of_damage() -> None:
    """The file's and then the model's, each once; of a tagger its own; none where every tile has one prompt."""
    model = dataclasses.replace(MODEL, degradations=("noise", "blur"))
    file = dataclasses.replace(TAGS, degradations=("blur", "scratch"))
    assert bound(model, given=Given(tags=file)).degradations == ("blur", "scratch", "noise")
    tagging = Tagging(kind="siglip", fingerprint="0", parameters=1, phrases=("sea",), degradations=("fog",))
    assert bound(model, given=Given(tagger=tagging)).degradations == ("fog",)
    assert bound(model).recipe.prompts.source == "global"
    assert bound(model).degradations == ()
    local = bound(model, given=Given(tagger=tagging)).recipe.prompts
    assert (local.source, local.tag_threshold, local.most_tags) == (
        "local",
        tagging.manner.threshold,
        tagging.manner.most,
    )


def test_what_was_dropped_makes_a_plan_lenient() -> None:
    """And nothing else: a recipe that would have let it pass has the same plan."""
    dropped = dataclasses.replace(MODEL, dropped=("a weight that nobody reads",))
    assert not bound(dropped).recipe.model.strict
    assert bound(**{"model.strict": False}).recipe.model.strict
    assert bound(**{"model.strict": False}) == bound()
