"""Recipes by name, and from TOML files."""

from __future__ import annotations

import dataclasses
import difflib
from pathlib import Path
from typing import Any

from storage.documents import read_toml

from .recipe import Recipe

ZOOMED_IN: dict[str, Any] = {"prompts": "local", "start": "image", "blend": "uniform", "colour": "wavelet"}
"""Zoomed In, Diffused Out (arXiv 2411.12072): a prompt a tile, from the noised coarse latent, in its colours"""

DEMOFUSION: dict[str, Any] = {
    "stages": "linear",
    "start": "image",
    "skip": 3.0,
    "dilated": 1.0,
    "jitter": "step",
    "anchor": True,
    "blend": "uniform",
}
"""DemoFusion (arXiv 2311.16973): progressive stages, skip residual, dilated sampling; its cosine_scale_1 and 2"""

ACCDIFFUSION: dict[str, Any] = {**DEMOFUSION, "interaction": True, "prompts": "attention", "jitter": "stage"}
"""AccDiffusion v2 (arXiv 2412.02099): a tile's words by attention, samples that exchange pixels; edges of the stage
before go to a ControlNet for edges where the model has one"""

SCALEDIFF: dict[str, Any] = {
    "stages": "double",
    "start": "image",
    "restart": 0.4,
    "lift": "mixed",
    "guide": "structure",
    "attend": "neighbourhood",
    "crops": "none",
}
"""ScaleDiff (arXiv 2510.25818): neighbourhood attention, latent frequency mixing, structure guidance"""

GIGATILE: dict[str, Any] = {
    "stages": "double",
    "start": "image",
    "attend": "neighbourhood",
    "prompts": "local",
    "activity": "groups",
    "guide": "structure",
}
"""ours: local prompts inside neighbourhood attention, steps by difficulty, structure guidance"""

DULL = "blurry, ugly, duplicate, poorly drawn, deformed, mosaic"
"""the negative prompt of DemoFusion's authors, which the others took over"""

PRESETS: dict[str, dict[str, Any]] = {
    "multidiffusion": {"name": "multidiffusion"},
    "zoomed-in": {"name": "zoomed-in", **ZOOMED_IN},
    "zoomed-in-seesr": {
        "name": "zoomed-in-seesr",
        **ZOOMED_IN,
        "colour": "adain",
        "tags_first": True,
        "solver": "ddpm",
        "steps": 50,
        "guidance": 5.5,
        "prompt": "clean, high-resolution, 8k",
        "negative_prompt": "dotted, noise, blur, lowres, smooth",
    },
    "patchscaler": {
        "name": "patchscaler",
        "activity": "groups",
        "start": "image",
        "group_numbers": "paper",
        "idle_spread": 0.0,
        "texture_likeness": True,
        "colour": "wavelet",
    },
    "patchscaler-fast": {"name": "patchscaler-fast", "activity": "groups", "start": "image"},
    "yoda": {"name": "yoda", "activity": "mask", "start": "image"},
    "demofusion": {"name": "demofusion", **DEMOFUSION},
    "accdiffusion-v2": {"name": "accdiffusion-v2", **ACCDIFFUSION},
    "accdiffusion-v2-sdxl": {
        "name": "accdiffusion-v2-sdxl",
        **ACCDIFFUSION,
        "solver": "euler",
        "steps": 50,
        "guidance": 7.5,
        "negative_prompt": DULL,
    },
    "scalediff": {"name": "scalediff", **SCALEDIFF},
    "scalediff-sdxl": {
        "name": "scalediff-sdxl",
        **SCALEDIFF,
        "steps": 50,
        "guidance": 7.5,
        "negative_prompt": DULL,
    },
    "scalediff-flux": {
        "name": "scalediff-flux",
        **SCALEDIFF,
        "steps": 30,
        "guidance": 3.5,
        "restart": 0.6,
        "low_band": 0.25,
    },
    "gigatile": {"name": "gigatile", **GIGATILE},
}
"""preset name -> switches. MultiDiffusion is overlapping tiles whose predictions are averaged at every step; the
numbers of zoomed-in-seesr are its authors', for Stable Diffusion 2 and its kin; those of patchscaler are the paper's;
what depends on the source of difficulty is in sources.py; idle_spread was chosen on seven evaluation pictures of the
embedded model"""

_KINDS: dict[str, tuple[type, ...]] = {
    "int": (int,),
    "float": (int, float),
    "str": (str,),
    "bool": (bool,),
    "tuple[float, float]": (list, tuple),
    "tuple[float, float, float]": (list, tuple),
    "tuple[int, int, int]": (list, tuple),
}


def parse_recipe(table: dict[str, Any], *, where: str) -> Recipe:
    """Make a recipe of loose keys and values; ``preset`` names the one to start from.

    Raises ValueError with the place, the key, what was expected and the nearest known key.

    >>> parse_recipe({"preset": "multidiffusion", "steps": 4}, where="here").steps
    4
    """
    given = dict(table)
    preset = given.pop("preset", "multidiffusion")
    if not isinstance(preset, str) or preset not in PRESETS:
        raise ValueError(f"{where}: preset must be one of {', '.join(PRESETS)}, got {preset!r}")
    return Recipe(**{**PRESETS[preset], **_checked(given, where, more=("preset",))})


def override(recipe: Recipe, table: dict[str, Any], *, where: str) -> Recipe:
    """The recipe with keys of loose ``table`` in place of its own; errors as parse_recipe's.

    >>> override(Recipe(), {"steps": 4}, where="here").steps
    4
    """
    return dataclasses.replace(recipe, **_checked(table, where))


def _checked(table: dict[str, Any], where: str, more: tuple[str, ...] = ()) -> dict[str, Any]:
    """Keys of a recipe with values of their kinds; ``more``: keys that are known beside, for the hint."""
    given = dict(table)
    fields = {field.name: str(field.type) for field in dataclasses.fields(Recipe)}
    for key, value in given.items():
        if key not in fields:
            near = difflib.get_close_matches(key, [*fields, *more], n=1)
            hint = f"did you mean {near[0]}?" if near else f"known keys: {', '.join(sorted(fields))}"
            raise ValueError(f"{where}: unknown key {key!r}; {hint}")
        kind = fields[key].removesuffix(" | None")
        if isinstance(value, bool) != (kind == "bool") or not isinstance(value, _KINDS[kind]):
            raise ValueError(f"{where}: {key} must be of type {kind}, got {value!r}")
        if kind.startswith("tuple"):
            given[key] = _numbers(value, kind, key, where)
    return given


def _numbers(value: Any, kind: str, key: str, where: str) -> tuple[float, ...]:
    whole, count = "int" in kind, kind.count(",") + 1
    allowed = int if whole else int | float
    if len(value) != count or not all(isinstance(v, allowed) and not isinstance(v, bool) for v in value):
        named = f"{('', '', 'two', 'three')[count]} {'whole ' if whole else ''}numbers"
        raise ValueError(f"{where}: {key} must be {named}, got {value!r}")
    return tuple(value) if whole else tuple(float(v) for v in value)


def load_recipe(name_or_path: str) -> Recipe:
    """A preset by its name, or a recipe from a TOML file. Raises ValueError with the mend."""
    if name_or_path in PRESETS:
        return parse_recipe({"preset": name_or_path}, where="recipe")
    path = Path(name_or_path)
    if not path.is_file():
        raise ValueError(f"recipe: {name_or_path!r} is neither a preset ({', '.join(PRESETS)}) nor a file")
    return parse_recipe(read_toml(path), where=str(path))
