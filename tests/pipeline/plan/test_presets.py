"""Presets are files, and say what they said when they were a table in Python; files of users, in both forms."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pipeline.plan import presets
from pipeline.plan.presets import checked_settings, flat_names, load_recipe, nearest, parse_recipe
from pipeline.plan.recipe import SECTIONS, Recipe

DEFAULTS: dict[str, Any] = {
    "prompt": "",
    "negative_prompt": "",
    "prompts": None,
    "word_share": 0.3,
    "collect_words": False,
    "tag_threshold": None,
    "most_tags": None,
    "least_confidence": 0.0,
    "parents": 0,
    "tags_first": False,
    "degradations": "prompt",
    "captions": "short",
    "coarse": None,
    "detail": None,
    "steps": None,
    "guidance": None,
    "solver": None,
    "spacing": "model",
    "start": None,
    "strength": 1.0,
    "activity": "all",
    "difficulty": None,
    "heads": "max",
    "difficulty_cell": None,
    "difficulty_power": None,
    "idle_spread": 0.55,
    "group_bounds": None,
    "group_numbers": "chosen",
    "group_times": (400.0, 700.0, 1000.0),
    "group_steps": None,
    "lower_bound": None,
    "structure": None,
    "edge_share": 0.3,
    "guide": "none",
    "low_band": 0.125,
    "image_prompts": "none",
    "texture_count": 4,
    "texture_likeness": False,
    "crops": None,
    "stages": "one",
    "restart": 1.0,
    "lift": "latent",
    "skip": 0.0,
    "dilated": 0.0,
    "dilation_window": None,
    "blur": 0.8,
    "blur_power": 1.0,
    "interaction": False,
    "interaction_group": 0,
    "jitter": "none",
    "anchor": False,
    "compat": "none",
    "compat_batch": 16,
    "colour": "none",
    "codec_norm": None,
    "window": None,
    "overlap": None,
    "attend": "tiles",
    "attention_window": None,
    "attention_jitter": False,
    "blend": "cosine",
    "region": 256,
    "batch": None,
    "dtype": None,
    "attention": "auto",
    "channels_last": False,
    "compile": False,
    "seed": 0,
    "value_range": None,
    "keep_steps": 0,
}
"""what every preset said of what it did not switch, when presets were one flat table in Python"""
GOLDEN: dict[str, dict[str, Any]] = {
    "multidiffusion": {},
    "zoomed-in": {"prompts": "local", "start": "image", "colour": "wavelet", "blend": "uniform"},
    "zoomed-in-seesr": {
        "prompt": "clean, high-resolution, 8k",
        "negative_prompt": "dotted, noise, blur, lowres, smooth",
        "prompts": "local",
        "tags_first": True,
        "steps": 50,
        "guidance": 5.5,
        "solver": "ddpm",
        "start": "image",
        "colour": "adain",
        "blend": "uniform",
    },
    "patchscaler": {
        "start": "image",
        "activity": "groups",
        "idle_spread": 0.0,
        "group_numbers": "paper",
        "texture_likeness": True,
        "colour": "wavelet",
    },
    "patchscaler-fast": {"start": "image", "activity": "groups"},
    "yoda": {"start": "image", "activity": "mask"},
    "demofusion": {
        "start": "image",
        "stages": "linear",
        "skip": 3.0,
        "dilated": 1.0,
        "jitter": "step",
        "anchor": True,
        "blend": "uniform",
    },
    "accdiffusion-v2": {
        "prompts": "attention",
        "start": "image",
        "stages": "linear",
        "skip": 3.0,
        "dilated": 1.0,
        "interaction": True,
        "jitter": "stage",
        "anchor": True,
        "blend": "uniform",
    },
    "accdiffusion-v2-sdxl": {
        "negative_prompt": "blurry, ugly, duplicate, poorly drawn, deformed, mosaic",
        "prompts": "attention",
        "steps": 50,
        "guidance": 7.5,
        "solver": "euler",
        "start": "image",
        "stages": "linear",
        "skip": 3.0,
        "dilated": 1.0,
        "interaction": True,
        "jitter": "stage",
        "anchor": True,
        "blend": "uniform",
    },
    "scalediff": {
        "start": "image",
        "guide": "structure",
        "crops": "none",
        "stages": "double",
        "restart": 0.4,
        "lift": "mixed",
        "attend": "neighbourhood",
    },
    "scalediff-sdxl": {
        "negative_prompt": "blurry, ugly, duplicate, poorly drawn, deformed, mosaic",
        "steps": 50,
        "guidance": 7.5,
        "start": "image",
        "guide": "structure",
        "crops": "none",
        "stages": "double",
        "restart": 0.4,
        "lift": "mixed",
        "attend": "neighbourhood",
    },
    "scalediff-flux": {
        "steps": 30,
        "guidance": 3.5,
        "start": "image",
        "guide": "structure",
        "low_band": 0.25,
        "crops": "none",
        "stages": "double",
        "restart": 0.6,
        "lift": "mixed",
        "attend": "neighbourhood",
    },
    "gigatile": {
        "prompts": "local",
        "start": "image",
        "activity": "groups",
        "guide": "structure",
        "stages": "double",
        "attend": "neighbourhood",
    },
}
"""preset -> what it switched then"""


@pytest.mark.parametrize("name", GOLDEN)
def test_what_a_preset_switches_is_what_it_was(name: str) -> None:
    assert presets.PRESETS[name].recipe.to_flat() == {"name": name, **DEFAULTS, **GOLDEN[name]}
    assert load_recipe(name) == presets.PRESETS[name].recipe


def test_every_preset_is_a_file_that_says_what_it_is() -> None:
    assert set(presets.PRESETS) == set(GOLDEN) == {path.stem for path in presets.FOLDER.glob("*")}
    for one in presets.PRESETS.values():
        assert one.about
        assert "arXiv" in one.paper or one.name in ("gigatile", "patchscaler-fast")
        assert one.start is None or presets.PRESETS[one.start].settings.keys() <= one.settings.keys()


def test_a_preset_is_in_the_form_that_users_write(tmp_path: Path) -> None:
    """A copy of its file under another name is the same recipe."""
    for name in GOLDEN:
        (tmp_path / "copy.toml").write_bytes((presets.FOLDER / f"{name}.toml").read_bytes())
        copied = load_recipe(str(tmp_path / "copy.toml"))
        assert copied.with_settings({"name": name}) == load_recipe(name)


SECTIONED = """
preset = "yoda"
name = "mine"
run.seed = 3
[tiles]
window = 64
[guidance]
weight = 2
[difficulty]
power = 1
"""


def test_sections_dots_and_flat_names_are_one(tmp_path: Path) -> None:
    (tmp_path / "new.toml").write_text(SECTIONED)
    flat = 'preset = "yoda"\nname = "mine"\nseed = 3\nwindow' + " = 64\nguidance" + " = 2\ndifficulty_power" + " = 1\n"
    (tmp_path / "old.toml").write_text(flat)
    new, old = (load_recipe(str(tmp_path / name)) for name in ("new.toml", "old.toml"))
    assert new == old
    assert (new.name, new.tiles.window, new.guidance.weight, new.run.seed) == ("mine", 64, 2.0, 3)
    assert type(new.guidance.weight) is type(old.difficulty.power) is float
    assert flat_names(str(tmp_path / "new.toml")) == flat_names("yoda") == []
    assert flat_names(str(tmp_path / "old.toml")) == ["seed", "window", "guidance", "difficulty_power"]


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"tiles": {"windw": 8}}, "mine: unknown key 'tiles.windw'; did you mean tiles.window?"),
        ({"tiles": {"steps": 8}}, "mine: unknown key 'tiles.steps'; did you mean sampling.steps?"),
        ({"tile": {"window": 8}}, r"mine: unknown section \[tile\]; did you mean \[tiles\]?"),
        ({"zzz": {"window": 8}}, r"mine: unknown section \[zzz\]; known: tiles, sampling"),
        ({"tiles": 8}, "mine: unknown key 'tiles'"),
        ({"tiles": {"window": {"a": 1}}}, "mine: tiles.window must be of type int"),
        ({"tiles": {"window": 8}, "window": 8}, "mine: tiles.window is given twice"),
        ({"tiles": {"window": 8}, "tiles.window": 8}, "mine: tiles.window is given twice"),
        ({"name": 3}, "mine: name must be of type str, got 3"),
        ({"guidance": {"weight": "x"}}, "mine: guidance.weight must be of type float, got 'x'"),
        ({"guidance": {"weight": True}}, "mine: guidance.weight must be of type float, got True"),
        ({"sampling": {"strength": 0}}, "recipe: sampling.strength must be above 0 and at most 1, got 0"),
        ({"run": {"seed": 2**63}}, r"recipe: run.seed must be between 0 and 2\^63 - 1"),
    ],
)
def test_mistakes_are_named(table: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_recipe(table, where="mine")


def test_a_flat_name_that_is_a_sections_too_is_told_from_it() -> None:
    assert checked_settings({"guidance": 3, "stages": "double"}, where="here") == {
        "guidance.weight": 3,
        "stages.growth": "double",
    }
    assert checked_settings({"guidance": {"weight": 3}}, where="here") == {"guidance.weight": 3}


def test_what_is_like_nothing_is_told_where_to_look() -> None:
    assert "gigatile recipes --settings" in nearest("qqqqqq")


def test_settings_go_in_together() -> None:
    """Two that exclude one another may trade places in one step."""
    recipe = Recipe().with_settings({"model.compile": True})
    changed = recipe.with_settings({"model.compile": False, "tiles.attend": "neighbourhood"})
    assert changed.tiles.attend == "neighbourhood"
    with pytest.raises(TypeError):
        recipe.with_settings({"tiles.nothing": 1})
    assert len({one.section for one in SECTIONS}) == len(SECTIONS)
