"""The runs of ``benchmarks.bytes``: every preset on several models, and each ingredient by itself."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One run of the command line, at toy size, of at least 2 x 2 regions."""

    name: str
    model: str
    """a model's name or one of benchmarks.byte_inputs.MAKERS"""
    recipe: dict[str, Any]
    picture: str | None = None
    """one of benchmarks.byte_inputs.SIZES, to be enlarged; None makes a picture from words"""
    scale: int = 4
    size: str = ""
    """of a picture from words, WIDTHxHEIGHT"""
    prompt: str = "a, b"
    """what a picture from words shows"""
    given: dict[str, str] = field(default_factory=dict)
    """options and what they name: of byte_inputs.MAKERS, or a word as it is"""

    @property
    def toml(self) -> str:
        """The recipe as users write it."""
        return "".join(f"{key} = {json.dumps(value)}\n" for key, value in self.recipe.items())


PRESETS = (
    *("multidiffusion", "zoomed-in", "zoomed-in-seesr", "patchscaler", "patchscaler-fast", "yoda", "demofusion"),
    *("accdiffusion-v2", "accdiffusion-v2-sdxl", "scalediff", "scalediff-sdxl", "scalediff-flux", "gigatile"),
)
NEARBY = ("scalediff", "scalediff-sdxl", "scalediff-flux", "gigatile")
"""presets of neighbourhood attention"""
GROUPED = ("patchscaler", "patchscaler-fast", "gigatile")
EMBEDDED: dict[str, Any] = {"region": 32, "window": 32, "overlap": 12, "keep_steps": 1}
LATENT: dict[str, Any] = {"region": 16, "window": 16, "overlap": 6, "guidance": 2.0, "batch": 2, "keep_steps": 1}
"""for latents of 22 x 30: 2 x 2 regions, 3 x 4 tiles"""
TINY: dict[str, Any] = {**LATENT, "steps": 2, "prompt": "abc", "negative_prompt": "x"}
FLOW: dict[str, Any] = {"region": 16, "window": 8, "overlap": 2, "batch": 2, "keep_steps": 1}
"""for latents of 20 x 24, enlarged 8 times"""
ANALYTIC: dict[str, Any] = {"region": 48, "window": 48, "overlap": 16, "keep_steps": 1}
STAGED: dict[str, Any] = {
    **{"region": 16, "batch": 2, "steps": 2, "guidance": 2.0, "negative_prompt": "x", "keep_steps": 1},
    **{"solver": "euler", "spacing": "leading"},
}
MASKED: dict[str, Any] = {"activity": "mask", "lower_bound": 0.1, "difficulty_power": 16.0, "difficulty_cell": 1}
GROUPS: dict[str, Any] = {"activity": "groups", "group_bounds": [0.6, 0.3], "group_steps": [1, 2, 3], "steps": 3}
SPREAD: dict[str, Any] = {"dilated": 1.0, "interaction": True, "skip": 3.0, "jitter": "step", "start": "image"}
FAR: dict[str, Any] = {"attend": "neighbourhood", "attention_window": 8}
SOLVERS = ("ddim", "euler", "euler-ancestral", "ddpm", "dpm++2m", "sde-dpm++2m", "unipc", "lcm")


def of_preset(preset: str, steps: int, base: dict[str, Any]) -> dict[str, Any]:
    """A preset at toy size: a few steps, windows that fit."""
    recipe: dict[str, Any] = {"preset": preset, **base, "steps": steps}
    if preset in GROUPED:
        recipe |= {"group_steps": [1, 2, 3], "steps": 3}
    if preset == "yoda":
        recipe |= {"difficulty_cell": 1, "difficulty_power": 4.0, "lower_bound": 0.1}
    if preset in NEARBY:
        recipe |= {"attention_window": base["window"] // 2}
        recipe.pop("overlap")
    return recipe


def on_embedded(name: str, *, given: dict[str, str] | None = None, **recipe: Any) -> Cell:
    settings = {**EMBEDDED, "steps": 2, **recipe}
    return Cell(name=f"embedded/{name}", model="embedded", picture="small", recipe=settings, given=given or {})


def on_tiny(name: str, model: str = "sd", *, given: dict[str, str] | None = None, **recipe: Any) -> Cell:
    settings = {**TINY, **recipe}
    return Cell(name=f"{model}/{name}", model=model, picture="small", recipe=settings, given=given or {})


def from_words(name: str, model: str, size: str, *, given: dict[str, str] | None = None, **recipe: Any) -> Cell:
    prompt = "water, green" if model == "embedded" else "a, b"
    return Cell(name=f"words/{model}/{name}", model=model, size=size, prompt=prompt, recipe=recipe, given=given or {})


def preset_cells() -> list[Cell]:
    """Every preset enlarging a picture: on the embedded model, on Stable Diffusion, some on the others."""
    cells = []
    for preset in PRESETS:
        own = {"prompts": "local"} if preset.startswith("acc") else {}
        own |= {"negative_prompt": ""} if preset in ("zoomed-in-seesr", *PRESETS[8:9], *PRESETS[10:11]) else {}
        own |= {"prompt": "aerial"} if preset == "zoomed-in-seesr" else {}
        cells.append(on_embedded(f"preset-{preset}", **{**of_preset(preset, 2, EMBEDDED), **own}))
        recipe = of_preset(preset, 3, TINY)
        cells.append(on_tiny(f"preset-{preset}", given={"--tags": "tags-small"}, **recipe))
    for model, presets in {
        "sdxl": ("multidiffusion", "demofusion", "gigatile"),
        "flux": ("zoomed-in", "patchscaler", "yoda", "scalediff"),
        "sd3": ("multidiffusion", "patchscaler", "demofusion", "gigatile"),
    }.items():
        for preset in presets:
            base = {**LATENT, "prompt": "abc"} if model == "sdxl" else {**FLOW, "window": 16, "prompt": "abc"}
            recipe = of_preset(preset, 3, base if model == "sdxl" or preset in NEARBY else {**base, "window": 8})
            size, scale = ("small", 4) if model == "sdxl" else ("tiny", 8)
            given, name = {"--tags": f"tags-{size}"}, f"{model}/preset-{preset}"
            cells.append(Cell(name=name, model=model, picture=size, scale=scale, recipe=recipe, given=given))
    return cells


def solver_cells() -> list[Cell]:
    """Each solver on a model without a network and on a tiny one; spacings; flow matching."""
    cells = [
        Cell(
            name=f"analytic/solver-{solver}",
            model="analytic",
            picture="odd",
            recipe={**ANALYTIC, "solver": solver, "steps": 4},
        )
        for solver in SOLVERS
    ]
    cells += [on_tiny(f"solver-{solver}", solver=solver, steps=4, start="image", strength=0.75) for solver in SOLVERS]
    cells += [
        on_tiny(f"spacing-{spacing}", spacing=spacing, solver="euler")
        for spacing in ("leading", "trailing", "linspace")
    ]
    cells += [on_tiny("plain", model) for model in ("sd2", "lcm")]
    for model in ("flux", "schnell", "sd3", "sd3-without-t5"):
        recipe = {**FLOW, "steps": 3, "solver": "flow-euler", "prompt": "abc", "start": "image", "strength": 0.7}
        cells.append(Cell(name=f"{model}/plain", model=model, picture="tiny", scale=8, recipe=recipe))
    cells += [on_tiny(f"blend-{blend}", blend=blend, seed=7) for blend in ("uniform", "gaussian")]
    return cells


def ingredient_cells() -> list[Cell]:
    """Each ingredient of a run of an image."""
    tags, damaged = {"--tags": "tags-small"}, {"--tags": "tags-damaged"}
    # longer than what that autoencoder sees at once: else the fast way is the exact one
    long = {**TINY, "start": "image", "steps": 1, "region": 32}
    cells = [
        Cell(
            name=f"norms/codec-{norm}",
            model="norms",
            picture="long",
            recipe={**long, "codec_norm": norm},
        )
        for norm in ("window", "fast", "exact")
    ]
    cells += [on_tiny(f"structure-{kind}", "attached", structure=kind) for kind in ("none", "image", "edges", "both")]
    cells += [on_embedded(f"structure-{kind}", structure=kind, guidance=2.5) for kind in ("image", "edges", "both")]
    cells += [
        *(on_tiny(f"colour-{kind}", colour=kind) for kind in ("wavelet", "adain")),
        on_embedded("colour-wavelet", colour="wavelet"),
        on_embedded("colour-adain", colour="adain"),
        on_tiny("plain", "lora"),
        on_tiny("image-prompts", "adapter", image_prompts="tile"),
        on_tiny("image-prompts", "adapter-plus", image_prompts="tile"),
        on_tiny("textures", "adapter", given={"--textures": "textures-adapter"}, texture_count=2),
        on_embedded(
            "textures", given={"--textures": "textures-embedded"}, texture_count=2, texture_likeness=True, steps=1
        ),
        on_tiny("everything", "attached-xl", image_prompts="tile", structure="both", crops="tile"),
        on_tiny("tags", given=damaged, degradations="negative"),
        on_embedded("tags", given=tags, guidance=2.0),
        on_embedded("local", prompts="local", prompt="aerial", parents=1, least_confidence=0.5),
        on_embedded("float32", dtype="float32", coarse="bicubic"),
    ]
    tagging = {"prompts": "local", "tag_threshold": 0.0, "most_tags": 2, "parents": 1, "least_confidence": 0.3}
    for kind in ("siglip", "clip", "blip", "florence2"):
        given = {"--tagger": kind} | ({"--vocabulary": "vocabulary"} if kind in ("siglip", "clip") else {})
        # captions are long and the tiny model reads few letters
        own = {} if kind in ("siglip", "clip") else {"prompt": "a", "most_tags": 0, "least_confidence": 0.2}
        cells.append(on_tiny(f"tagger-{kind}", given=given, **{**tagging, **own}))
    cells += [
        on_tiny("tagger-embedded", given={"--tagger": "embedded"}, prompts="local", degradations="negative"),
        on_tiny("difficulty-file", given={"--difficulty": "difficulty"}, **MASKED),
        *(on_tiny(f"difficulty-{vit}", given={"--vit": vit}, **MASKED) for vit in ("vit", "dinov2")),
        on_tiny("heads-mean", given={"--vit": "vit"}, heads="mean", **GROUPS),
        on_tiny("mask", **MASKED, difficulty="gradient", start="image"),
        on_tiny("groups", **GROUPS, difficulty="gradient", start="image"),
        on_embedded("mask", **{**MASKED, "difficulty_power": 2.0}, start="image", steps=3),
        on_embedded("groups", **GROUPS, start="image", guidance=2.0),
    ]
    cells += [
        on_tiny("staged", **SPREAD, guide="structure"),
        on_tiny("staged-groups", **SPREAD, interaction_group=2, **GROUPS),
        on_tiny("staged-mask", **SPREAD, **MASKED),
        on_tiny("official", **SPREAD, compat="official", compat_batch=4, solver="euler"),
        on_tiny("jitter-stage", **{**SPREAD, "jitter": "stage"}, dilation_window=32, collect_words=True),
        on_tiny("keep-steps", keep_steps=2, steps=5, solver="unipc"),
        on_tiny("guide", guide="structure", low_band=0.25, start="image", solver="euler"),
        on_tiny("channels-last", channels_last=True, attention="math"),
        on_tiny("half", dtype="bfloat16"),
        on_tiny("nearby", **FAR, attention_jitter=True),
        on_tiny("nearby-tags", given=damaged, **FAR, degradations="negative"),
        on_embedded("nearby-tags", given=tags, attend="neighbourhood", attention_window=16, overlap=8),
    ]
    return cells


def words_cells() -> list[Cell]:
    """Pictures from words, which grow in stages."""
    acc = {"word_share": 0.0, "preset": "accdiffusion-v2"}
    nearby = {"window": 16, "attention_window": 8}
    two, three = "256x200", "384x200"
    official = {"--compat": "official"}
    demofusion = {**STAGED, "preset": "demofusion"}
    scalediff = {**STAGED, "preset": "scalediff", "steps": 3}
    flow = {"region": 16, "batch": 2, "keep_steps": 1}
    generator = {"steps": 2, "keep_steps": 1, "region": 128}
    return [
        from_words("multidiffusion", "sd", two, **STAGED),
        from_words("demofusion", "sd", two, **demofusion),
        from_words("demofusion", "sdxl", three, **demofusion),
        from_words("official", "sdxl", two, given=official, **demofusion, compat_batch=4),
        from_words("accdiffusion", "sd", two, **STAGED, **acc),
        from_words("accdiffusion", "sdxl", three, **STAGED, **acc),
        from_words("accdiffusion-xl", "sdxl", two, **{**STAGED, **acc, "preset": "accdiffusion-v2-sdxl"}),
        from_words("accdiffusion", "attached-xl", two, **STAGED, **acc, structure="edges"),
        from_words("scalediff", "sd", two, **scalediff),
        from_words("scalediff", "sdxl", "512x264", **scalediff, attention_jitter=True),
        from_words("scalediff-xl", "sdxl", two, **{**scalediff, "preset": "scalediff-sdxl"}),
        from_words("lift-pixels", "sd", two, **demofusion, lift="pixels", colour="adain"),
        from_words("stochastic", "sd", two, **{**demofusion, "solver": "euler-ancestral"}, lift="mixed"),
        from_words("mask", "sd", two, **demofusion, activity="mask", difficulty_cell=8),
        from_words("textures", "adapter", two, **demofusion, image_prompts="tile"),
        from_words("gigatile", "sdxl", two, **flow, preset="gigatile", steps=4, given={"--tagger": "embedded"}),
        from_words("demofusion", "sd3", two, **flow, preset="demofusion", steps=2),
        from_words("scalediff", "sd3", two, **flow, **nearby, preset="scalediff", steps=3),
        from_words("demofusion", "flux", two, **flow, preset="demofusion", steps=2),
        from_words("scalediff", "flux", two, **flow, **nearby, preset="scalediff-flux", steps=4),
        from_words("one", "embedded", "512x512", **{**generator, "window": 64, "region": 64}),
        from_words("double", "embedded", "640x576", **generator, preset="scalediff"),
        from_words("accdiffusion", "embedded", "576x520", **generator, preset="accdiffusion-v2", word_share=0.0),
        from_words(
            "gigatile", "embedded", "576x576", preset="gigatile", keep_steps=1, region=128, group_steps=[1, 2, 3]
        ),
    ]


def all_cells() -> list[Cell]:
    """Every cell; raises ValueError where two have one name."""
    cells = [*preset_cells(), *solver_cells(), *ingredient_cells(), *words_cells()]
    names = [cell.name for cell in cells]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"cells: each needs a name of its own, found twice: {', '.join(twice)}")
    return cells
