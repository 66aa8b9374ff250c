"""A series: the plans of a progressive run, one a stage, each of which grows from the one before.

    stage 0      stage 1         stage 2
    native  -->  twice as  -->   three times   (linear; four times where each doubles)
    size         large           as large

A stage's canvas lies over the same picture as the one before, edge to edge; only the last one is cut to the size that
was asked for. So the canvases must have one shape: see ``double_sizes``.
"""

from __future__ import annotations

import math
from typing import Any

from pipeline.models.card import Defaults, LatentGeometry, ModelCard
from pipeline.settings import SPREAD, WITHOUT

from .binding import NOTHING, Given, bind
from .checks import check_compat
from .device import DeviceFacts
from .facts import ImageFacts, Stage
from .plan import Plan
from .prompt_checks import check_attention
from .recipe import SETTINGS, Recipe
from .sources import PAPER_STEPS

SHAPE = 0.005
"""how far the first stage's shape may be from the picture's, as a share of its sides' ratio"""
AT_ONCE = 1.25
"""times the native area up to which a picture is drawn at once"""
LEAST_SIDE, MOST_SIDE = 0.88, 1.12
"""of the ideal shorter side: what is looked at for a better shape"""
WORDS_ONLY = "words alone"
"""what stands for an image's checksum where there is none"""


def stage_sizes(
    height: int, width: int, *, native: int, growth: str, unit: int = 1, longest: int | None = None
) -> tuple[tuple[int, int], ...]:
    """Height and width of every stage in output pixels.

    ``linear``: the longer side is once, twice, three times ``native`` and so on at most, as DemoFusion has it.
    ``double``: the first stage has about the area of ``native`` x ``native``, as ScaleDiff has it; sides are multiples
    of ``unit`` and ``longest`` at most, see ``double_sizes``. The last one is the size itself.

    >>> stage_sizes(3072, 2048, native=1024, growth="linear")
    ((1024, 683), (2048, 1366), (3072, 2048))
    >>> stage_sizes(4096, 4096, native=1024, growth="double")
    ((1024, 1024), (2048, 2048), (4096, 4096))
    >>> stage_sizes(2100, 2100, native=1024, growth="double", unit=32)
    ((1056, 1056), (2100, 2100))
    """
    if growth == "one":
        return ((height, width),)
    if growth == "linear":
        times = math.ceil(max(height, width) / native)
        shares = [(stage, times) for stage in range(1, times + 1)]
        return tuple((-(-height * up // down), -(-width * up // down)) for up, down in shares)
    canvas = (-(-height // unit), -(-width // unit))
    limit = max(canvas) if longest is None else longest // unit
    grown = double_sizes(canvas, area=(native / unit) ** 2, longest=limit)
    return (*((rows * unit, cols * unit) for rows, cols in grown[:-1]), (height, width))


def double_sizes(canvas: tuple[int, int], *, area: float, longest: int) -> list[tuple[int, int]]:
    """Stages that double up to ``canvas``, all in units of the latent grid: the last growth is what is left, up to two.

    The first is the rectangle whose shape is nearest to the canvas's, to within SHAPE where the grid has one, of the
    ``area`` as nearly as that allows: models draw well at an area, in any shape (SDXL's aspect buckets), and badly far
    below it. A canvas that is hardly larger is drawn at once.
    """
    if canvas[0] * canvas[1] <= area * AT_ONCE and max(canvas) <= longest:
        return [canvas]
    sizes = [min(_first_sizes(canvas, area, longest), key=lambda size: _cost(size, canvas, area))]
    while max(whole / side for whole, side in zip(canvas, sizes[-1], strict=True)) > 2:
        sizes.append((2 * sizes[-1][0], 2 * sizes[-1][1]))
    return [*sizes, canvas] if sizes[-1] != canvas else sizes


def _first_sizes(canvas: tuple[int, int], area: float, longest: int) -> list[tuple[int, int]]:
    """Rectangles to choose the first stage from: for each shorter side round the ideal one, the longer ones nearest."""
    is_tall = canvas[0] > canvas[1]
    short, long = sorted(canvas)
    ideal = math.sqrt(area * short / long)
    sizes = []
    for side in range(max(1, math.floor(ideal * LEAST_SIDE)), math.ceil(ideal * MOST_SIDE) + 1):
        exact = side * long / short
        for other in {math.floor(exact), math.ceil(exact)}:
            bounded = (min(side, short), max(1, min(other, long, longest)))
            sizes.append(bounded[::-1] if is_tall else bounded)
    return sizes


def _cost(size: tuple[int, int], canvas: tuple[int, int], area: float) -> float:
    """How bad a first stage is: what it is off in area, and fifty times what it is off in shape beyond SHAPE.

    Another stage is worth a sixth of the area.
    """
    off = abs(math.log(size[0] * canvas[1] / (size[1] * canvas[0])))
    growths = math.ceil(math.log2(max(canvas[0] / size[0], canvas[1] / size[1], 1)) - 1e-9)
    return abs(math.log(size[0] * size[1] / area)) + 50 * max(0.0, off - SHAPE) + growths / 6


def check_size(height: int, width: int, model: ModelCard) -> None:
    """Refuse a size that is below the model's own along a side."""
    native = model.geometry.window * model.geometry.factor
    if min(height, width) < native:
        raise ValueError(
            f"--size {width}x{height}: the model {model.name} makes pictures of {native} x {native} pixels and larger; "
            f"give each side at least {native}"
        )


def check_shape(sizes: tuple[tuple[int, int], ...], model: ModelCard) -> None:
    """Refuse a size so long that the first of its stages is thinner than anything the model can see."""
    least = model.geometry.factor * model.geometry.multiple
    (first_height, first_width), (height, width) = sizes[0], sizes[-1]
    if min(first_height, first_width) < least:
        raise ValueError(
            f"--size {width}x{height}: its first stage would be {first_width}x{first_height}, and the model "
            f"{model.name} needs at least {least} pixels a side: give sides nearer to each other, or "
            "stages.growth = 'one'"
        )


def bind_series(
    recipe: Recipe,
    *,
    height: int,
    width: int,
    model: ModelCard,
    device: DeviceFacts,
    versions: dict[str, str],
    given: Given = NOTHING,
) -> tuple[Plan, ...]:
    """The plans of a picture of ``height x width`` output pixels from the recipe's prompt; raises ValueError."""
    check_text(model)
    check_size(height, width, model)
    check_attention(recipe, model)
    sizes = _sizes(height, width, recipe, model.geometry)
    check_shape(sizes, model)
    recipe = _settle_text(recipe, model)
    recipes = [_stage_recipe(recipe, index, num=len(sizes)) for index in range(len(sizes))]
    if recipe.stages.growth == "double":
        recipes[0] = _in_one_window(recipes[0], sizes[0], model.geometry)
    plans: list[Plan] = []
    for index, size in enumerate(sizes):
        stage = _stage(index, sizes, recipes, plans)
        plans.append(
            bind(
                recipes[index],
                image=_facts(size, stage, model.geometry),
                scale=1,
                model=model,
                device=device,
                versions=versions,
                given=given if index else NOTHING,
                stage=stage,
            )
        )
    # the first stage has neither, whatever the recipe says
    check_compat(recipe)
    return tuple(plans)


def _sizes(height: int, width: int, recipe: Recipe, geometry: LatentGeometry) -> tuple[tuple[int, int], ...]:
    """Height and width of each stage's picture."""
    longest = None if geometry.largest_window is None else geometry.largest_window * geometry.factor
    return stage_sizes(
        height,
        width,
        native=geometry.window * geometry.factor,
        growth=recipe.stages.growth,
        unit=geometry.multiple * geometry.factor,
        longest=longest,
    )


def _stage(index: int, sizes: tuple[tuple[int, int], ...], recipes: list[Recipe], plans: list[Plan]) -> Stage:
    """A stage's place in the series; ``plans`` are those of the stages before it."""
    first = sizes[0] if len(sizes) > 1 else (0, 0)
    return Stage(
        index=index,
        count=len(sizes),
        from_text=True,
        decodes=index + 1 == len(sizes) or reads_pixels(recipes[index + 1]),
        height_final=sizes[-1][0],
        width_final=sizes[-1][1],
        height_first=first[0],
        width_first=first[1],
        **({} if not plans else _before(plans[-1])),
    )


def _facts(size: tuple[int, int], stage: Stage, geometry: LatentGeometry) -> ImageFacts:
    """What stands for the image of a stage's plan: its own picture."""
    rows, cols = size
    if stage.index + 1 < stage.count:
        # all of a canvas is shown, so that the next one lies over it edge to edge
        rows, cols = (geometry.canvas_side(side) * geometry.factor for side in size)
    return ImageFacts(height=rows, width=cols, num_bands=3, dtype="uint8", sha256=stage.before or WORDS_ONLY)


def check_text(model: ModelCard) -> None:
    """Refuse a model that makes no picture from words."""
    if not model.geometry.reads_text:
        raise ValueError(f"model {model.name}: reads no text, so it makes no pictures from words: give another --model")


def reads_pixels(recipe: Recipe) -> bool:
    """Whether a stage reads the picture of the stage before, not its latents alone."""
    return (
        recipe.stages.lift != "latent"
        or bool(recipe.structure.shown)
        or recipe.image_prompts.source != "none"
        or recipe.difficulty.activity != "all"
        or recipe.prompts.source == "local"
        or recipe.codec.colour != "none"
    )


def _settle_text(recipe: Recipe, model: ModelCard) -> Recipe:
    of_model = model.defaults
    defaults: dict[str, Any] = {
        # those of hard tiles, where tiles have their own
        "sampling.steps": _text_steps(recipe, of_model),
        "guidance.weight": of_model.guidance if of_model.text_guidance is None else of_model.text_guidance,
        "prompts.source": "global",
        "sampling.coarse": "bicubic",
        "structure.controls": of_model.structure,
        # a restoration module judges images that it enlarges: a stage is as large as it is wanted
        "difficulty.source": None if recipe.difficulty.activity == "all" else "gradient",
        "tiles.overlap": (recipe.tiles.window or model.geometry.window) // 2
        if recipe.tiles.attend == "tiles"
        else None,
    }
    return recipe.with_settings({name: value for name, value in defaults.items() if recipe.value(name) is None})


def _text_steps(recipe: Recipe, defaults: Defaults) -> int:
    if recipe.difficulty.group_steps:
        return recipe.difficulty.group_steps[2]
    if recipe.difficulty.activity == "groups" and recipe.difficulty.group_numbers == "paper":
        return PAPER_STEPS
    return defaults.text_steps or defaults.steps


def _stage_recipe(recipe: Recipe, index: int, *, num: int) -> Recipe:
    if index > 0:
        return recipe.with_settings({"sampling.start": "image"})
    collects = recipe.prompts.collect_words or (recipe.prompts.source == "attention" and num > 1)
    return recipe.with_settings(
        {**first_stage(at_once=recipe.stages.growth == "one"), "prompts.collect_words": collects}
    )


def first_stage(*, at_once: bool) -> dict[str, Any]:
    """What the first stage has in place of what it goes without: there is no picture yet, and it is of one window.

    ``at_once``: it is the whole picture, of as many windows as that takes.
    """
    away = (WITHOUT,) if at_once else (WITHOUT, SPREAD)
    return {name: one.about.plain for name, one in SETTINGS.items() if one.about.first in away}


def _in_one_window(recipe: Recipe, size: tuple[int, int], geometry: LatentGeometry) -> Recipe:
    """The first stage, of native area and any shape, in one window and one region."""
    side = max(geometry.window, *(geometry.canvas_side(pixels) for pixels in size))
    if side == geometry.window:
        return recipe
    step = math.lcm(geometry.multiple, recipe.guidance.low_cell)
    region = max(recipe.tiles.region, -(-side // step) * step)
    return recipe.with_settings({"tiles.window": side, "tiles.region": region})


def _before(plan: Plan) -> dict[str, Any]:
    return {
        "before": plan.hash,
        "height_before": plan.regions.height,
        "width_before": plan.regions.width,
        "steps_before": plan.num_steps,
    }
