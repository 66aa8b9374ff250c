"""The table of settings without effect: every row speaks when it should, and of what has an effect none does."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from cluster.job import Job, TextJob
from pipeline.models.files.model_file import Control, ImageAdapter, Lora, ModelFile
from pipeline.plan.binding import Given
from pipeline.plan.flat import dotted
from pipeline.plan.recipe import SETTINGS
from pipeline.plan.unread import find_unread
from pipeline.plan.unread_rows import ROWS
from tests.support.unread_cases import (
    FILE,
    IMAGE,
    NATIVE,
    ONE_TILE,
    STAGES,
    TAGGING,
    TAGS,
    VIT,
    WORDS,
    card,
    spoken_of,
    unread_case,
)

DRAWS = card(restorer_halo=2, detail_halo=3, native_scale=4, coarse=True)
"""a model that draws detail"""
ELSEWHERE = dataclasses.replace(DRAWS.geometry, restorer_scales=(2, 4))
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
    ("detail", {"detail": 0.5, "coarse": "bicubic"}, {"model": DRAWS}),
    ("detail", {"detail": 0.5}, {"model": dataclasses.replace(DRAWS, geometry=ELSEWHERE), "scale": 2}),
    ("start", {**STAGES, "start": "noise"}, {"size": 2 * NATIVE}),
    ("strength", {"strength": 0.5, "start": "noise"}, {}),
    ("strength", {"strength": 0.99, "steps": 4}, {}),
    ("restart", {"restart": 0.5, "start": "noise"}, {}),
    ("spacing", {"spacing": "trailing", "solver": "lcm"}, {}),
    ("heads", {"heads": "mean"}, {}),
    ("difficulty_cell", {"difficulty_cell": 8}, {}),
    ("difficulty_power", {"difficulty_power": 2.0}, {}),
    ("codec.consistency", {"codec.consistency": True}, {"size": NATIVE}),
    ("codec.point_spread", {"codec.point_spread": 0.5}, {}),
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
    ("--uncertainty-from", {}, {"options": {"--uncertainty-from": 0.2}}),
    (
        "--uncertainty-from",
        {"colour": "adain"},
        {"options": {"--uncertainty-from": 0.2, "--uncertainty": 3}},
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
    ("codec.consistency", {"codec.consistency": True}, {}),
    ("codec.point_spread", {"codec.point_spread": 0.5, "codec.consistency": True}, {}),
    ("negative_prompt", {"negative_prompt": "dull"}, {}),
    ("prompt", {"prompt": "a house (old), [sic"}, {}),
    ("guidance", {"guidance": 3.0, "prompt": "a"}, {}),
    ("coarse", {"coarse": "bicubic"}, {}),
    ("detail", {"detail": 0.5}, {"model": DRAWS}),
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
    ("--uncertainty-from", {}, {"options": {"--uncertainty-from": 0.2, "--uncertainty": 3}}),
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


@pytest.mark.parametrize(("setting", "recipe", "beside"), IN_VAIN)
def test_what_is_without_effect_is_said(setting: str, recipe: dict[str, Any], beside: dict[str, Any]) -> None:
    found = unread_case(recipe, **beside)
    assert dotted(setting) in spoken_of(found)
    assert all(len(line) < 200 and "\n" not in line for line in find_unread(found))


@pytest.mark.parametrize(("setting", "recipe", "beside"), OF_USE)
def test_what_has_an_effect_is_not(setting: str, recipe: dict[str, Any], beside: dict[str, Any]) -> None:
    assert dotted(setting) not in spoken_of(unread_case(recipe, **beside))


def test_every_row_is_tried() -> None:
    assert {row.setting for row in ROWS} <= {dotted(setting) for setting, *_ in IN_VAIN}
    for row in ROWS:
        holds = [unread_case(recipe, **beside) for setting, recipe, beside in IN_VAIN if dotted(setting) == row.setting]
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
    *("batch", "keep_steps", "tiles.disagreement"),
}


def test_no_field_and_no_option_is_forgotten() -> None:
    rows, always = {row.setting for row in ROWS}, {dotted(name) for name in ALWAYS_OR_REFUSED}
    assert set(SETTINGS) == (always | rows) & set(SETTINGS)
    assert set(SETTINGS) >= always
    options = {f"--{one.name.replace('_', '-')}" for kind in (Job, TextJob) for one in dataclasses.fields(kind)}
    # what is computed and where, files that are opened or refused, permissions
    plain = "output input prompt recipe model run steps seed workers threads device address overwrite scale"
    plain += " bands alpha pages value-range consistency uncertainty"
    plain += " size negative guidance compat allow-pickle vocabulary settings trust-input allow-open-cluster wait"
    assert options - {f"--{name}" for name in plain.split()} <= rows
