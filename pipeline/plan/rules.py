"""What a recipe may say, whatever the image and the model: refused when it is made, in one line."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from pipeline.geometry.blend import WINDOWS
from pipeline.imaging.colour import COLOURS
from pipeline.models.attention.kernels import ATTENTIONS
from pipeline.sampling.decay import TRAINING_STEPS
from pipeline.sampling.difficulty import SOURCES
from pipeline.sampling.groups import group_grid
from pipeline.sampling.guidance import GUIDES
from pipeline.sampling.solvers import ROWS, SOLVERS, SPACINGS

if TYPE_CHECKING:
    from .recipe import Recipe

CHOICES: dict[str, tuple[str, ...]] = {
    "solver": tuple(row.name for row in ROWS),
    "spacing": SPACINGS,
    "start": ("noise", "image"),
    "blend": tuple(WINDOWS),
    "coarse": ("restored", "bicubic"),
    "prompts": ("global", "local", "file", "attention"),
    "degradations": ("prompt", "negative"),
    "captions": ("short", "detailed"),
    "attention": tuple(ATTENTIONS),
    "dtype": ("float32", "bfloat16", "float16"),
    "activity": ("all", "groups", "mask"),
    "crops": ("none", "tile"),
    "guide": GUIDES,
    "attend": ("tiles", "neighbourhood"),
    "image_prompts": ("none", "tile", "textures"),
    "colour": COLOURS,
    "codec_norm": ("window", "fast", "exact"),
    "structure": ("none", "image", "edges", "both"),
    "difficulty": SOURCES,
    "heads": ("mean", "max"),
    "group_numbers": ("chosen", "paper"),
    "stages": ("one", "linear", "double"),
    "lift": ("latent", "pixels", "mixed"),
    "jitter": ("none", "step", "stage"),
    "compat": ("none", "official"),
}
"""field -> what it may be; where its default is None, that too"""
LEAST: dict[str, float] = {
    "steps": 1,
    "texture_count": 1,
    "window": 8,
    "overlap": 0,
    "region": 8,
    "batch": 1,
    "keep_steps": 0,
    "guidance": 0.0,
    "attention_window": 8,
    "most_tags": 0,
    "skip": 0.0,
    "dilated": 0.0,
    "blur_power": 0.0,
    "interaction_group": 0,
    "compat_batch": 1,
    "difficulty_cell": 1,
}
"""field -> the least that it may be, where it is not None"""
MOST_GUIDANCE = 100.0
"""far above what anybody runs: beyond it predictions leave the number format"""
MOST_POWER = 16.0
MOST_BLUR = 16.0
MOST_PARENTS = 4
"""the widest context is 16 times a tile's side: what one worker reads at once"""


def check_recipe(recipe: Recipe) -> None:
    """Raise ValueError with the field, what it may be and what it is."""
    for field, choices in CHOICES.items():
        value = getattr(recipe, field)
        if field == "solver":
            choices = SOLVERS.names()
        is_open = value is None and type(recipe).__dataclass_fields__[field].default is None
        if not is_open and value not in choices:
            raise ValueError(f"recipe: {field} must be one of {', '.join(choices)}, got {value!r}")
    for field, least in LEAST.items():
        _check_least(field, getattr(recipe, field), least)
    for check in (_check_numbers, _check_activity, _check_tagging, _check_stages, _check_guide, _check_attend):
        check(recipe)


def _check_numbers(recipe: Recipe) -> None:
    if not 0 <= recipe.seed < 2**63:
        raise ValueError(f"recipe: seed must be between 0 and 2^63 - 1, got {recipe.seed}")
    if not 0 < recipe.strength <= 1:
        raise ValueError(f"recipe: strength must be above 0 and at most 1, got {recipe.strength}")
    if recipe.guidance is not None and recipe.guidance > MOST_GUIDANCE:
        raise ValueError(f"recipe: guidance must be at most {MOST_GUIDANCE:g}, got {recipe.guidance}")
    low, high = recipe.value_range or (0.0, 1.0)
    # of two finite numbers the difference can be infinite
    if not (-math.inf < low < high < math.inf and high - low < math.inf):
        raise ValueError(f"recipe: value_range must be two rising, finite numbers, got {[low, high]}")


def _check_activity(recipe: Recipe) -> None:
    if recipe.activity != "all" and recipe.difficulty == "none":
        raise ValueError(f"recipe: activity {recipe.activity!r} needs a difficulty: one of {', '.join(SOURCES[1:])}")
    if recipe.activity == "groups" and (recipe.strength * recipe.restart != 1 or recipe.spacing != "model"):
        raise ValueError('recipe: activity "groups" lays the timesteps itself: leave strength, restart and spacing out')
    if recipe.group_bounds is not None and not 1 >= recipe.group_bounds[0] > recipe.group_bounds[1] >= 0:
        raise ValueError(f"recipe: group_bounds must fall, between 1 and 0, got {list(recipe.group_bounds)}")
    simple, medium, hard = recipe.group_times
    if not 0 < simple < medium < hard <= TRAINING_STEPS:
        raise ValueError(
            f"recipe: group_times must rise, above 0 and at most {TRAINING_STEPS}, got {list(recipe.group_times)}"
        )
    if recipe.group_steps is not None:
        _check_group_steps(recipe, recipe.group_steps)
    _check_difficulty(recipe)


def _check_difficulty(recipe: Recipe) -> None:
    if recipe.difficulty_power is not None and not 0 < recipe.difficulty_power <= MOST_POWER:
        raise ValueError(
            f"recipe: difficulty_power must be above 0 and at most {MOST_POWER:g}, got {recipe.difficulty_power}"
        )
    if recipe.difficulty_cell is not None and recipe.region % recipe.difficulty_cell:
        raise ValueError(
            f"recipe: difficulty_cell must divide the region of {recipe.region}, got {recipe.difficulty_cell}"
        )
    if not 0 <= recipe.idle_spread <= 1:
        raise ValueError(f"recipe: idle_spread must be between 0 and 1, got {recipe.idle_spread}")
    if recipe.lower_bound is not None and not 0 < recipe.lower_bound <= 1:
        raise ValueError(f"recipe: lower_bound must be above 0 and at most 1, got {recipe.lower_bound}")


def _check_group_steps(recipe: Recipe, counts: tuple[int, int, int]) -> None:
    if recipe.activity != "groups":
        raise ValueError('recipe: group_steps are read by activity "groups" only: choose it, or leave them out')
    if not 0 < counts[0] < counts[1] < counts[2]:
        raise ValueError(f"recipe: group_steps must rise, above 0, got {list(counts)}")
    if recipe.steps not in (None, counts[2]):
        raise ValueError(
            f"recipe: hard tiles take every step, so steps and the last of group_steps are one number, got "
            f"{recipe.steps} and {counts[2]}: leave one of them out"
        )
    grid = group_grid(recipe.group_times, counts)
    if len(set(grid)) < len(grid) or grid[-1] < 0:
        raise ValueError(
            f"recipe: group_steps {list(counts)} do not fit between the group_times {list(recipe.group_times)}: "
            "take fewer steps"
        )


def _check_tagging(recipe: Recipe) -> None:
    for field in ("tag_threshold", "least_confidence", "word_share", "edge_share"):
        value = getattr(recipe, field)
        if value is not None and not 0 <= value <= 1:
            raise ValueError(f"recipe: {field} must be between 0 and 1, got {value}")
    if not 0 <= recipe.parents <= MOST_PARENTS:
        raise ValueError(f"recipe: parents must be between 0 and {MOST_PARENTS}, got {recipe.parents}")


def _check_stages(recipe: Recipe) -> None:
    if not 0 < recipe.restart <= 1:
        raise ValueError(f"recipe: restart must be above 0 and at most 1, got {recipe.restart}")
    if not 0 < recipe.blur <= MOST_BLUR:
        raise ValueError(f"recipe: blur must be above 0 and at most {MOST_BLUR:g}, got {recipe.blur}")
    if recipe.interaction and not recipe.dilated:
        raise ValueError("recipe: interaction is between dilated samples: give dilated a power, such as 1")
    if recipe.compat == "official" and recipe.solver not in (None, "euler"):
        raise ValueError(f"recipe: compat 'official' knows the solver euler only, got {recipe.solver!r}: use 'euler'")


def _check_guide(recipe: Recipe) -> None:
    try:
        cell = recipe.low_cell
    except ValueError as e:
        raise ValueError(f"recipe: {e}") from None
    if (recipe.guide != "none" or recipe.lift == "mixed") and recipe.region % cell:
        raise ValueError(f"recipe: region must be a multiple of 1 / low_band, here {cell}, got {recipe.region}")


def _check_attend(recipe: Recipe) -> None:
    if recipe.attend == "tiles":
        for field, unset in (("attention_window", None), ("attention_jitter", False)):
            if getattr(recipe, field) != unset:
                raise ValueError(
                    f"recipe: {field} is read by attend 'neighbourhood' only: choose it, or leave {field} out"
                )
    elif recipe.compile:
        raise ValueError("recipe: attend = 'neighbourhood' cannot be compiled: leave compile out")


def _check_least(field: str, value: float | None, least: float) -> None:
    # put so that it refuses nan too
    if value is not None and not least <= value < math.inf:
        finite = "finite and " if value == math.inf else ""
        raise ValueError(f"recipe: {field} must be {finite}at least {least}, got {value}")
