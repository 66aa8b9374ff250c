"""Settings without effect: every row of the table speaks when it should, and no preset is spoken of by itself."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from cluster.job import Job, TextJob
from pipeline.models.card import AttentionCard, ModelCard
from pipeline.models.families import analytic
from pipeline.models.files.model_file import Control, ImageAdapter, Lora, ModelFile
from pipeline.models.registry import describe_model
from pipeline.plan.binding import Given, bind
from pipeline.plan.facts import ImageFacts
from pipeline.plan.flat import dotted
from pipeline.plan.presets import parse_recipe
from pipeline.plan.recipe import SETTINGS
from pipeline.plan.stages import bind_series
from pipeline.plan.unread import MARKUP, ROWS, Case, find_unread
from pipeline.prompts.tag_file import TagFile
from pipeline.prompts.tagging import Tagging
from storage.box import Box
from tests.support.geometries import altered
from tests.support.presets import PRESETS
from tests.support.tiny import DEVICE

IMAGE = ImageFacts(height=160, width=200, num_bands=3, dtype="uint8", sha256="0")
SMALL = ImageFacts(height=32, width=32, num_bands=3, dtype="uint8", sha256="0")
TAGGING = Tagging(kind="siglip", fingerprint="0", parameters=0, phrases=("water",), degradations=())
VIT = AttentionCard(side=16, patch=4, fingerprint="0")


def card(parameters: int = 1, **geometry: Any) -> ModelCard:
    """A card alone of a model of words, with guidance, an adapter, ControlNets; nothing here runs."""
    common: dict[str, Any] = {"window": 32, "multiple": 4, "text_tokens": 8}
    common |= {"structures": ("image", "edges"), "image_width": 8, "attends_nearby": True}
    common |= {"word_cell": 4, "coarse": False}
    cost = dataclasses.replace(analytic.GEOMETRY.cost, parameters=parameters)
    made = altered(analytic.GEOMETRY, **{"cost": cost, **common, **geometry})
    defaults = dataclasses.replace(analytic.DEFAULTS, guidance=5.0, structure="edges")
    return dataclasses.replace(analytic.CARD, name="card", geometry=made, defaults=defaults, sight="0")


WORDS = card()
EMBEDDED = describe_model("embedded")


def case(
    recipe: dict[str, Any],
    *,
    model: ModelCard = WORDS,
    image: ImageFacts = IMAGE,
    size: int = 0,
    given: Given | None = None,
    **beside: Any,
) -> Case:
    """Of an image, or of a picture from words of ``size`` pixels a side."""
    asked = parse_recipe(recipe, where="test")
    shared: dict[str, Any] = {"model": model, "device": DEVICE, "versions": {}, "given": given or Given()}
    if size:
        plans = bind_series(asked, height=size, width=size, **shared)
    else:
        plans = (bind(asked, image=image, scale=model.geometry.native_scale or 4, **shared),)
    return Case(asked=asked, plans=plans, **beside)


NATIVE = WORDS.geometry.window * WORDS.geometry.factor
ONE_TILE: dict[str, Any] = {"image": SMALL}
STAGES = {"stages": "double", "start": "image"}
FILE = ModelFile(
    base="x", controls=(Control(model="c", sees="edges"),), image_adapter=ImageAdapter(model="a", encoder="e")
)
TAGS = TagFile(entries=((Box(top=0, left=0, height=9, width=9), {"(water:1.2)": 1.0}),), degradations=())

IN_VAIN: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("negative_prompt", {"negative_prompt": "dull", "guidance": 1.0}, {}),
    ("negative_prompt", {"negative_prompt": "dull"}, {"model": card(embeds_guidance=True)}),
    ("negative_prompt", {"negative_prompt": "dull"}, {"model": card(text_tokens=None)}),
    ("prompt", {"prompt": "a (house:1.3)"}, {}),
    ("prompt", {"prompt": "a house"}, {"model": card(text_tokens=None)}),
    ("negative_prompt", {"negative_prompt": "[dull]"}, {}),
    ("--tags", {"prompts": "file"}, {"given": Given(tags=TAGS)}),
    ("guidance", {"guidance": 3.0}, {}),
    ("guidance", {"guidance": 3.0}, {"model": card(text_tokens=None)}),
    ("tag_threshold", {"tag_threshold": 0.3}, {}),
    ("most_tags", {"most_tags": 3}, {}),
    ("tags_first", {"tags_first": True}, {}),
    ("word_share", {"word_share": 0.5}, {}),
    ("coarse", {"coarse": "bicubic", "start": "noise"}, {}),
    ("start", {**STAGES, "start": "noise"}, {"size": 2 * NATIVE}),
    ("strength", {"strength": 0.5, "start": "noise"}, {}),
    ("strength", {"strength": 0.99, "steps": 4}, {}),
    ("restart", {"restart": 0.5, "start": "noise"}, {}),
    ("spacing", {"spacing": "trailing", "solver": "lcm"}, {}),
    ("heads", {"heads": "mean"}, {}),
    ("difficulty_cell", {"difficulty_cell": 8}, {}),
    ("difficulty_power", {"difficulty_power": 2.0}, {}),
    ("idle_spread", {"idle_spread": 0.2}, {}),
    ("idle_spread", {"idle_spread": 0.2, "activity": "mask"}, {}),
    ("lower_bound", {"lower_bound": 0.2, "activity": "groups"}, {}),
    ("group_bounds", {"group_bounds": [0.6, 0.3], "activity": "mask"}, {}),
    ("group_times", {"group_times": [100.0, 200.0, 300.0]}, {}),
    ("group_numbers", {"group_numbers": "paper"}, {}),
    (
        "--difficulty",
        {"preset": "yoda", "difficulty": "file"},
        {"given": Given(difficulty_map=IMAGE), "options": {"--difficulty": "x"}, "brightest": 0},
    ),
    ("edge_share", {"edge_share": 0.2}, {}),
    ("edge_share", {"edge_share": 0.2, "structure": "image", **STAGES}, {"size": 2 * NATIVE}),
    ("low_band", {"low_band": 0.25}, {}),
    ("low_band", {"low_band": 0.25, "lift": "mixed"}, {}),
    ("texture_count", {"texture_count": 2}, {}),
    ("texture_likeness", {"texture_likeness": True, "image_prompts": "tile"}, {}),
    ("--textures", {"image_prompts": "textures"}, {"given": Given(textures="0"), "memory_scale": 2}),
    ("stages", {"stages": "double"}, {}),
    ("lift", {"lift": "pixels"}, {}),
    ("lift", {"lift": "pixels", "stages": "double"}, {"size": NATIVE}),
    ("anchor", {"anchor": True}, {}),
    ("anchor", {"anchor": True, "stages": "double"}, {"size": NATIVE}),
    ("--tagger", {}, {"size": NATIVE, "options": {"--tagger": "x"}}),
    ("--vit", {}, {"size": NATIVE, "options": {"--vit": "x"}}),
    ("blur", {"blur": 0.4}, {}),
    ("blur_power", {"blur_power": 2.0}, {}),
    ("interaction_group", {"interaction_group": 4, "dilated": 1.0}, {}),
    ("jitter", {"jitter": "step", "overlap": 0}, {}),
    ("jitter", {"jitter": "step"}, ONE_TILE),
    ("compat_batch", {"compat_batch": 4}, {}),
    ("blend", {"blend": "uniform"}, ONE_TILE),
    ("blend", {"blend": "uniform", "attend": "neighbourhood"}, ONE_TILE),
    ("overlap", {"overlap": 4}, ONE_TILE),
    ("attend", {"attend": "neighbourhood"}, ONE_TILE),
    ("attention_window", {"attend": "neighbourhood", "attention_window": 32}, ONE_TILE),
    ("attention_jitter", {"attend": "neighbourhood", "attention_jitter": True}, ONE_TILE),
    ("channels_last", {"channels_last": True}, {"model": card(parameters=0)}),
    ("attention", {"attention": "math"}, {"model": card(parameters=0)}),
    ("dtype", {"dtype": "bfloat16"}, {"model": card(parameters=0)}),
    ("model.strict", {"model.strict": False}, {}),
    ("--tagger-gpu", {}, {"options": {"--tagger-gpu": 0.5}}),
    ("model file", {"structure": "none"}, {"file": FILE}),
    ("model file", {}, {"file": ModelFile(base="x", controls=(Control(model="c", sees="edges", scale=0.0),))}),
    ("model file", {"steps": 2}, {"file": ModelFile(base="x", controls=(Control(model="c", sees="edges", end=0.1),))}),
    ("model file", {}, {"file": ModelFile(base="x", loras=(Lora(model="l", scale=0.0),))}),
    ("model file", {}, {"file": FILE}),
    (
        "model file",
        {"image_prompts": "tile"},
        {"file": ModelFile(base="x", image_adapter=ImageAdapter(model="a", encoder="e", scale=0.0))},
    ),
    # whatever field it is that a first stage goes without
    ("skip", {"skip": 2.0, "stages": "double"}, {"size": NATIVE}),
    ("colour", {"colour": "wavelet"}, {"size": NATIVE}),
    ("prompts", {"prompts": "attention", "stages": "double"}, {"size": NATIVE}),
    ("window", {"window": 16, "stages": "double"}, {"size": NATIVE}),
]
OF_USE: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("negative_prompt", {"negative_prompt": "dull"}, {}),
    ("prompt", {"prompt": "a house (old), [sic"}, {}),
    ("guidance", {"guidance": 3.0, "prompt": "a"}, {}),
    ("coarse", {"coarse": "bicubic"}, {}),
    ("start", {"start": "noise"}, {}),
    ("strength", {"strength": 0.5}, {}),
    ("restart", {**STAGES, "restart": 0.5}, {"size": 2 * NATIVE}),
    ("spacing", {"spacing": "linspace", "steps": 7}, {}),
    ("difficulty_cell", {"difficulty_cell": 8, "activity": "groups"}, {}),
    ("lower_bound", {"lower_bound": 0.2, "activity": "mask"}, {}),
    ("group_bounds", {"group_bounds": [0.6, 0.3], "activity": "groups"}, {}),
    (
        "heads",
        {"heads": "mean", "activity": "mask", "difficulty": "attention"},
        {"given": Given(attention=VIT)},
    ),
    (
        "--difficulty",
        {"preset": "yoda", "difficulty": "file"},
        {"given": Given(difficulty_map=IMAGE), "options": {"--difficulty": "x"}, "brightest": 1},
    ),
    ("edge_share", {"edge_share": 0.2, **STAGES}, {"size": 2 * NATIVE}),
    ("low_band", {"low_band": 0.25, "guide": "structure"}, {}),
    ("low_band", {"low_band": 0.25, "lift": "mixed", **STAGES}, {"size": 2 * NATIVE}),
    ("--textures", {"image_prompts": "textures"}, {"given": Given(textures="0"), "memory_scale": 4}),
    ("lift", {"lift": "pixels", **STAGES}, {"size": 2 * NATIVE}),
    ("blur", {"blur": 0.4, "dilated": 1.0}, {}),
    ("jitter", {"jitter": "step"}, {}),
    ("blend", {"blend": "uniform"}, {}),
    ("attend", {"attend": "neighbourhood", "region": 64}, {}),
    ("model file", {"image_prompts": "tile"}, {"file": FILE}),
    ("tag_threshold", {"tag_threshold": 0.3, "prompts": "local"}, {"given": Given(tagger=TAGGING)}),
    ("skip", {"skip": 2.0, **STAGES}, {"size": 2 * NATIVE}),
    ("model.strict", {"model.strict": False}, {"model": dataclasses.replace(WORDS, dropped=("a tensor",))}),
]


def spoken_of(found: Case) -> list[str]:
    return [line.split(":")[0].split(" changes")[0].split(" =")[0] for line in find_unread(found)]


@pytest.mark.parametrize(("setting", "recipe", "beside"), IN_VAIN)
def test_what_is_without_effect_is_said(setting: str, recipe: dict[str, Any], beside: dict[str, Any]) -> None:
    found = case(recipe, **beside)
    assert dotted(setting) in spoken_of(found)
    assert all(len(line) < 200 and "\n" not in line for line in find_unread(found))


@pytest.mark.parametrize(("setting", "recipe", "beside"), OF_USE)
def test_what_has_an_effect_is_not(setting: str, recipe: dict[str, Any], beside: dict[str, Any]) -> None:
    assert dotted(setting) not in spoken_of(case(recipe, **beside))


def test_every_row_is_tried() -> None:
    assert {row.setting for row in ROWS} <= {dotted(setting) for setting, *_ in IN_VAIN}
    for row in ROWS:
        holds = [case(recipe, **beside) for setting, recipe, beside in IN_VAIN if dotted(setting) == row.setting]
        assert any(row.when(one) for one in holds), row


ALWAYS_OR_REFUSED = {
    # without the part, the option or the field that they go with they are refused, not passed over
    *(
        "least_confidence",
        "parents",
        "degradations",
        "captions",
        "collect_words",
        "structure",
        "image_prompts",
        "crops",
    ),
    *("difficulty", "group_steps", "dilation_window", "interaction", "compat", "codec_norm", "solver", "compile"),
    # they change bytes whatever else is said, but in a first stage: ``_replaced`` speaks of that
    *("prompts", "steps", "activity", "skip", "dilated", "colour", "guide", "window", "region", "seed", "value_range"),
    # how a run is called, divided and kept
    *("batch", "keep_steps"),
}


def test_no_field_and_no_option_is_forgotten() -> None:
    rows, always = {row.setting for row in ROWS}, {dotted(name) for name in ALWAYS_OR_REFUSED}
    assert set(SETTINGS) == (always | rows) & set(SETTINGS)
    assert set(SETTINGS) >= always
    options = {f"--{one.name.replace('_', '-')}" for kind in (Job, TextJob) for one in dataclasses.fields(kind)}
    # what is computed and where, files that are opened or refused, permissions
    plain = (
        "output input prompt recipe model run steps seed workers threads device address overwrite allow-pickle scale"
    )
    plain += " bands size negative guidance compat vocabulary settings trust-input allow-open-cluster"
    assert options - {f"--{name}" for name in plain.split()} <= rows


@pytest.mark.parametrize("preset", PRESETS)
def test_no_preset_is_spoken_of_by_itself(preset: str) -> None:
    """Of an image, of a picture of one stage and of one of several: its own switches are nobody's mistake."""
    tagged = Given(tagger=TAGGING) if PRESETS[preset].get("prompts") == "local" else None
    recipe = {"preset": preset}
    if PRESETS[preset].get("prompts") != "attention":
        assert find_unread(case(recipe, given=tagged)) == []
    for size in (NATIVE, 2 * NATIVE):
        if size > NATIVE or tagged is None:
            given = tagged if PRESETS[preset].get("stages") else None
            local = {} if given or tagged is None else {"prompts": "global"}
            assert find_unread(case({**recipe, "prompt": "a", **local}, size=size, given=given)) == []
    embedded = EMBEDDED
    if "negative_prompt" not in PRESETS[preset] and PRESETS[preset].get("prompts") != "attention":
        assert find_unread(case(recipe, model=embedded)) == []


OTHERS = "(x:1.3)|a (b c: .5), d|((x))|x++, y|(x y)--|[x]|[a:b:0.5]|{a!b}|a BREAK b|a AND b|<lora:detail:0.7>|<LoRA: a>"


@pytest.mark.parametrize("text", [one.replace("!", "|") for one in OTHERS.split("|")])
def test_markup_of_other_programs(text: str) -> None:
    (line,) = find_unread(case({"prompt": text}))
    assert line.startswith("prompts.text: weights and other markup are not read")


@pytest.mark.parametrize("text", ["a house (old)", "f/1.8, 3:2", "black-and-white, and", "C++ and a < b", "breakfast"])
def test_plain_words_are_none(text: str) -> None:
    assert not [name for name, pattern in MARKUP.items() if pattern.search(text) and "C++" not in text]


def test_a_presets_own_negative_prompt_is_words() -> None:
    """scalediff-sdxl beside a model that reads the weight of guidance itself."""
    found = case({"preset": "scalediff-sdxl", "prompt": "a"}, model=card(embeds_guidance=True), size=2 * NATIVE)
    assert spoken_of(found) == ["prompts.negative"]
