"""Binding: a recipe, an image, a model and what goes beside them become a plan, or one line that says why not."""

from __future__ import annotations

import dataclasses
import itertools
from dataclasses import dataclass
from typing import Any

from pipeline.geometry.tiles import TileGrid, check_reach, plan_tiles
from pipeline.models.card import AttentionCard, ModelCard
from pipeline.prompts.tag_file import TagFile
from pipeline.prompts.tagging import Tagging
from pipeline.sampling.groups import LEAST_DEFAULT_STEPS, default_group_steps, paper_group_steps
from pipeline.sampling.model_scheduler import solver_of
from pipeline.sampling.solvers import SOLVERS
from storage.box import RegionGrid

from .checks import (
    check_attend,
    check_compat,
    check_dilation,
    check_guidance,
    check_options,
    check_parts,
    check_scale,
    check_tags,
    check_textures,
    check_window,
)
from .device import DeviceFacts
from .facts import ONLY_STAGE, ImageFacts, Stage
from .plan import Plan
from .prompt_checks import check_attention, check_prompting, check_seen, check_tagger
from .recipe import Recipe
from .sources import NO_DIFFICULTY, PAPER_STEPS, source_defaults
from .value_range import default_range

LEAST_BETWEEN = 2
"""steps by default of a recipe that acts between them, of a model that needs one otherwise"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What a user gives beside the image, the recipe and the model; the plan has fields of the same names."""

    tags: TagFile | None = None
    attention: AttentionCard | None = None
    difficulty_map: ImageFacts | None = None
    textures: str | None = None
    """sha256 of the memory"""
    tagger: Tagging | None = None
    """what tags in place of the model's own tagger"""


NOTHING = Given()


@dataclass(frozen=True, slots=True, kw_only=True)
class Companion:
    """A thing given and a value of the recipe that go together: neither is of use without the other."""

    input: str
    """field of Given"""
    field: str
    """setting of the recipe"""
    value: str
    instead_of: tuple[str | None, ...]
    """values that the thing alone turns into ``value``"""
    option: str
    what: str
    without: str
    """what is said where it is not given"""


COMPANIONS = (
    Companion(
        input="tags",
        field="prompts.source",
        value="file",
        instead_of=(None, "local", "attention"),
        option="--tags",
        what="a tag file",
        without="no tag file",
    ),
    Companion(
        input="difficulty_map",
        field="difficulty.source",
        value="file",
        instead_of=(None,),
        option="--difficulty",
        what="a map of difficulty",
        without="none",
    ),
    Companion(
        input="attention",
        field="difficulty.source",
        value="attention",
        instead_of=(None,),
        option="--vit",
        what="a vision transformer",
        without="none",
    ),
    Companion(
        input="textures",
        field="image_prompts.source",
        value="textures",
        instead_of=("none",),
        option="--textures",
        what="a memory of textures",
        without="no memory",
    ),
)


def _follow(recipe: Recipe, given: Given) -> Recipe:
    """The recipe, with what it leaves open as the things given ask for it."""
    for companion in COMPANIONS:
        if getattr(given, companion.input) is not None and recipe.value(companion.field) in companion.instead_of:
            recipe = recipe.with_settings({companion.field: companion.value})
    return recipe


def _check_companions(recipe: Recipe, given: Given) -> None:
    """Refuse a thing that nobody reads, and its absence where it is to be read."""
    for companion in COMPANIONS:
        is_there, value = getattr(given, companion.input) is not None, recipe.value(companion.field)
        if (value == companion.value) != is_there:
            raise ValueError(
                f"recipe: {companion.what} ({companion.option}) and {companion.field} = {companion.value!r} go "
                f"together, got {companion.field} = {value!r} and {companion.what if is_there else companion.without}"
            )


def bind(
    recipe: Recipe,
    *,
    image: ImageFacts,
    scale: int,
    model: ModelCard,
    device: DeviceFacts,
    versions: dict[str, str],
    given: Given = NOTHING,
    stage: Stage = ONLY_STAGE,
) -> Plan:
    """Bind a recipe to an image, a model and a device. Raises ValueError with the mend for what cannot work."""
    height, width = _canvas(image, scale, model, stage)
    one_window = max(height, width) <= min(model.geometry.codec.window, recipe.tiles.region)
    settled = _settle(_follow(recipe, given), model, image, given.tagger, scale=scale, one_window=one_window)
    degradations = _degradations(model, given.tags, given.tagger)
    _check(settled, model, device, given, stage, degradations)
    regions = RegionGrid(height=height, width=width, side=settled.tiles.region)
    tiles = _tiles(settled, regions)
    assert settled.sampling.solver is not None
    plan = Plan(
        recipe=settled,
        image=image,
        scale=scale,
        geometry=model.geometry,
        scheduler=model.scheduler,
        model_fingerprint=model.fingerprint,
        dropped=model.dropped,
        device=device,
        versions=versions | _outside_packages(settled.sampling.solver, model, given.tagger),
        regions=regions,
        tiles=tiles,
        timesteps=(),
        stage=stage,
        degradations=degradations if settled.prompts.source != "global" else (),
        **{field.name: getattr(given, field.name) for field in dataclasses.fields(given)},
    )
    # equal plans have equal records: where nothing was dropped, it does not matter whether it might have been
    strict = settled.with_settings({"model.strict": not plan.all_dropped})
    return dataclasses.replace(plan, recipe=strict, timesteps=plan.solver().timesteps)


def _canvas(image: ImageFacts, scale: int, model: ModelCard, stage: Stage) -> tuple[int, int]:
    """Latent pixels along y and x of the canvas that holds the enlarged image."""
    if not stage.from_text:
        check_scale(scale, model)
    height, width = (model.geometry.canvas_side(side * scale) for side in (image.height, image.width))
    return height, width


def _tiles(settled: Recipe, regions: RegionGrid) -> TileGrid:
    assert settled.tiles.window is not None
    assert settled.tiles.overlap is not None
    stride = settled.tiles.window - settled.tiles.overlap
    tiles = plan_tiles(regions.height, regions.width, window=settled.tiles.window, stride=stride)
    check_reach(tiles, regions)
    return tiles


def _check(
    settled: Recipe, model: ModelCard, device: DeviceFacts, given: Given, stage: Stage, degradations: tuple[str, ...]
) -> None:
    """Refuse a recipe, nothing of which is left open, that does not fit the model, the device or what is given."""
    check_parts(settled, model)
    check_guidance(settled, model)
    check_dilation(settled, model.geometry)
    if not stage.from_text:
        check_compat(settled)
    _check_companions(settled, given)
    check_tags(model, given.tags)
    check_tagger(settled, model, given.tagger)
    check_prompting(settled, degradations)
    check_attention(settled, model)
    check_seen(settled, stage)
    check_textures(model, has_memory=given.textures is not None)
    check_options(settled, model, device)
    check_window(settled, model.geometry)
    check_attend(settled, model)


def _outside_packages(solver: str, model: ModelCard, tagger: Tagging | None) -> dict[str, str]:
    """Those beside gigatile's own that the result's bits depend on, with their versions."""
    return SOLVERS.packages(solver) | model.packages | ({} if tagger is None else tagger.packages)


def _degradations(model: ModelCard, tags: TagFile | None, tagger: Tagging | None) -> tuple[str, ...]:
    """Phrases that speak of damage: the tagger's own, the tag file's and, for its file too, the model's."""
    if tagger is not None:
        return tagger.degradations
    return tuple(dict.fromkeys([*(tags.degradations if tags is not None else ()), *model.degradations]))


def _settle(
    recipe: Recipe, model: ModelCard, image: ImageFacts, tagger: Tagging | None, *, scale: int, one_window: bool
) -> Recipe:
    """Fill what the recipe leaves open from the model, the image and the tagger.

    ``one_window``: the autoencoder sees the whole canvas at once.
    """
    geometry = model.geometry
    is_nearby = recipe.tiles.attend == "neighbourhood"
    window = recipe.tiles.window or (recipe.tiles.region if is_nearby else geometry.window)
    reach = recipe.tiles.attention_window or min(geometry.window, window)
    start = "noise" if geometry.inputs.coarse and recipe.difficulty.activity == "all" else "image"
    own = 1  # the denoiser has learnt what one enlargement leaves open: beside it the restoration module works alone
    if scale == geometry.native_scale or not geometry.scales:
        own = max(model.defaults.steps, LEAST_BETWEEN if _acts_between_steps(recipe) else 1)
    defaults: dict[str, Any] = {
        "sampling.steps": max(own, _least_steps(recipe, recipe.sampling.start or start)),
        "guidance.weight": model.defaults.guidance,
        "sampling.solver": solver_of(model.scheduler),
        "sampling.coarse": "restored" if geometry.restores else "bicubic",
        "sampling.detail": model.defaults.detail if scale == geometry.native_scale else 0.0,
        "prompts.source": "local" if geometry.tags or tagger is not None else "global",
        "prompts.tag_threshold": 0.0 if tagger is None else tagger.manner.threshold,
        "prompts.most_tags": 0 if tagger is None else tagger.manner.most,
        "sampling.start": start,
        "structure.controls": model.defaults.structure,
        "prompts.crops": "tile" if geometry.inputs.crops and recipe.stages.growth == "linear" else "none",
        "tiles.window": window,
        "tiles.overlap": min(reach // 2 if is_nearby else model.defaults.overlap, window // 2),
        "tiles.attention_window": reach if is_nearby else None,
        "model.batch": 1 if is_nearby else model.defaults.batch,
        "model.dtype": model.defaults.dtype,
        "codec.norm": "window" if one_window or not geometry.codec.decoder_norms else "fast",
        "codec.value_range": default_range(image),
        "codec.consistency": image.is_map and scale > 1,
    }
    defaults |= _difficulty_defaults(recipe, model)
    open_fields = {key: value for key, value in defaults.items() if recipe.value(key) is None}
    return recipe.with_settings(open_fields)


def _acts_between_steps(recipe: Recipe) -> bool:
    """Whether it asks for what one step cannot do: to spare some, or to tell tiles of each other in between."""
    spares, tells = recipe.difficulty.activity != "all", recipe.dilation.power > 0 or recipe.tiles.jitter != "none"
    return spares or tells or recipe.sampling.skip > 0 or recipe.guidance.guide != "none"


def _least_steps(recipe: Recipe, start: str) -> int:
    """Of which the recipe's strength leaves one."""
    share = recipe.sampling.strength * recipe.sampling.restart if start == "image" else 1.0
    return next(steps for steps in itertools.count(1) if round(steps * share) >= 1)


def _difficulty_defaults(recipe: Recipe, model: ModelCard) -> dict[str, Any]:
    """Values of what the recipe leaves open of difficulty, and of the steps that follow from it."""
    if recipe.difficulty.activity == "all":
        return {"difficulty.source": "none", **NO_DIFFICULTY}
    source = recipe.difficulty.source or ("confidence" if model.geometry.restores else "gradient")
    defaults = {"difficulty.source": source, **source_defaults(recipe, source)}
    if recipe.difficulty.activity == "groups":
        counts = recipe.difficulty.group_steps or group_steps_of(recipe, model.defaults.steps)
        defaults |= {"sampling.steps": counts[2], "difficulty.group_steps": counts}
    return defaults


def group_steps_of(recipe: Recipe, steps: int) -> tuple[int, int, int]:
    """Steps of simple, medium and hard tiles where the recipe leaves them open; ``steps``: the model's default."""
    if recipe.difficulty.group_numbers == "paper":
        return paper_group_steps(recipe.sampling.steps or PAPER_STEPS, recipe.difficulty.group_times)
    return default_group_steps(recipe.sampling.steps or max(LEAST_DEFAULT_STEPS, steps))
