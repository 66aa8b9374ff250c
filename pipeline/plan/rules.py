"""What a recipe may say, whatever the image and the model: refused when it is made, in one line.

What one setting needs or excludes of another stands beside the settings; what is written here takes more than two of
them, or numbers against one another.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from pipeline.sampling.decay import TRAINING_STEPS
from pipeline.sampling.groups import group_grid
from pipeline.sampling.settings import SOURCES
from pipeline.settings import Setting, check_needs

if TYPE_CHECKING:
    from .recipe import Recipe


def check_recipe(recipe: Recipe, settings: Mapping[str, Setting]) -> None:
    """Raise ValueError with the setting, what it may be and what it is; ``settings``: all, by name."""
    check_needs(recipe.values(), settings)
    for check in (_check_value_range, _check_activity, _check_cells):
        check(recipe)


def _check_value_range(recipe: Recipe) -> None:
    low, high = recipe.codec.value_range or (0.0, 1.0)
    # of two finite numbers the difference can be infinite
    if not (-math.inf < low < high < math.inf and high - low < math.inf):
        raise ValueError(f"recipe: codec.value_range must be two rising, finite numbers, got {[low, high]}")


def _check_activity(recipe: Recipe) -> None:
    section = recipe.difficulty
    if section.activity != "all" and section.source == "none":
        raise ValueError(
            f"recipe: difficulty.activity {section.activity!r} needs a difficulty: a difficulty.source of "
            f"{', '.join(SOURCES[1:])}"
        )
    if section.group_bounds is not None and not 1 >= section.group_bounds[0] > section.group_bounds[1] >= 0:
        raise ValueError(
            f"recipe: difficulty.group_bounds must fall, between 1 and 0, got {list(section.group_bounds)}"
        )
    simple, medium, hard = section.group_times
    if not 0 < simple < medium < hard <= TRAINING_STEPS:
        raise ValueError(
            f"recipe: difficulty.group_times must rise, above 0 and at most {TRAINING_STEPS}, got "
            f"{list(section.group_times)}"
        )
    if section.group_steps is not None:
        _check_group_steps(recipe, section.group_steps)


def _check_group_steps(recipe: Recipe, counts: tuple[int, int, int]) -> None:
    if not 0 < counts[0] < counts[1] < counts[2]:
        raise ValueError(f"recipe: difficulty.group_steps must rise, above 0, got {list(counts)}")
    if recipe.sampling.steps not in (None, counts[2]):
        raise ValueError(
            "recipe: hard tiles take every step, so sampling.steps and the last of difficulty.group_steps are one "
            f"number, got {recipe.sampling.steps} and {counts[2]}: leave one of them out"
        )
    grid = group_grid(recipe.difficulty.group_times, counts)
    if len(set(grid)) < len(grid) or grid[-1] < 0:
        raise ValueError(
            f"recipe: difficulty.group_steps {list(counts)} do not fit between the difficulty.group_times "
            f"{list(recipe.difficulty.group_times)}: take fewer steps"
        )


def _check_cells(recipe: Recipe) -> None:
    """What is averaged in squares of the canvas is averaged in the same ones by every region."""
    region, cell = recipe.tiles.region, recipe.difficulty.cell
    if cell is not None and region % cell:
        raise ValueError(f"recipe: difficulty.cell must divide the tiles.region of {region}, got {cell}")
    low_cell = recipe.guidance.low_cell
    if (recipe.guidance.guide != "none" or recipe.stages.lift == "mixed") and region % low_cell:
        raise ValueError(
            f"recipe: tiles.region must be a multiple of 1 / guidance.low_band, here {low_cell}, got {region}"
        )
