"""Sources of difficulty, and the numbers that go with each: what was tuned on one source says nothing of another.

What a recipe leaves open of how its difficulty is read comes from here. A relative map is divided by its own largest
value over the whole picture (of the squares it is averaged over), so that it reaches 1 wherever the picture is: a mask
that asks where a picture is most difficult (YODA, arXiv 2308.07977) has an answer then, whatever the source's units
are. A user's map is taken as it is.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .recipe import Recipe

PAPER_BOUNDS = (0.95, 0.75)
"""gamma_1 and gamma_2 of PatchScaler (arXiv 2405.17158, section 4.3): of a restoration module's confidence"""
PAPER_STEPS = 20
"""N_3, the steps of its hard patches: N = 8, 14, 20"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbers:
    """The numbers of one source of difficulty."""

    relative: tuple[str, ...]
    """activities for which its map is divided by its largest value"""
    mask_cell: int
    """difficulty_cell where activity is ``mask``"""
    power: float
    """difficulty_power where activity is ``mask``"""
    lower_bound: float
    group_cell: int
    """difficulty_cell where activity is ``groups``"""
    bounds: tuple[float, float]
    """group_bounds"""


NUMBERS: dict[str, Numbers] = {
    # bounds, cell and power chosen on the embedded model's seven evaluation pictures
    "confidence": Numbers(
        relative=("mask",), mask_cell=32, power=3.0, lower_bound=0.1, group_cell=1, bounds=(0.35, 0.15)
    ),
    # the same numbers: e / (e + HALF) parts the survey's pictures into three groups of like size with them
    "gradient": Numbers(
        relative=("mask",), mask_cell=32, power=3.0, lower_bound=0.1, group_cell=1, bounds=(0.35, 0.15)
    ),
    # attention has no unit of its own, so groups read it in units of the picture's busiest square
    "attention": Numbers(
        relative=("mask", "groups"), mask_cell=1, power=1.0, lower_bound=0.1, group_cell=32, bounds=(0.6, 0.3)
    ),
    # the user's own scale: thirds
    "file": Numbers(relative=(), mask_cell=1, power=1.0, lower_bound=0.1, group_cell=1, bounds=(2 / 3, 1 / 3)),
}
"""source -> its numbers"""


def is_relative(recipe: Recipe) -> bool:
    """Whether the map of difficulty is divided by its largest value over the whole picture."""
    return (
        recipe.difficulty.source in NUMBERS and recipe.difficulty.activity in NUMBERS[recipe.difficulty.source].relative
    )


def source_defaults(recipe: Recipe, source: str) -> dict[str, Any]:
    """What the fields that speak of difficulty are where the recipe leaves them open; ``source`` is never ``none``."""
    numbers = NUMBERS[source]
    is_paper = recipe.difficulty.group_numbers == "paper" and source == "confidence"
    cell = numbers.mask_cell if recipe.difficulty.activity == "mask" else numbers.group_cell
    return {
        # squares end where regions do
        "difficulty.cell": math.gcd(cell, recipe.tiles.region),
        "difficulty.power": numbers.power if recipe.difficulty.activity == "mask" else 1.0,
        "difficulty.lower_bound": numbers.lower_bound,
        "difficulty.group_bounds": PAPER_BOUNDS if is_paper else numbers.bounds,
    }


NO_DIFFICULTY: dict[str, Any] = {
    "difficulty.cell": 1,
    "difficulty.power": 1.0,
    "difficulty.lower_bound": 0.1,
    "difficulty.group_bounds": (0.35, 0.15),
}
"""the same where nothing is read"""
