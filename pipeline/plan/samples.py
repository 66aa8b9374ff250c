"""More samples of one plan's picture: the same plan with other seeds, where there is much to invent.

A sample is a plan of its own. Squares of the input whose difficulty is low hold no data to it, so tiles and regions
without any other cost nothing (see emptiness.py). One square round each that counts is computed as well, so that what
counts has the neighbours that it has in the whole picture.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from storage.occupancy import Occupancy

from .plan import Plan
from .reductions import list_reductions

_SEEDS = 2**63


def sample_plan(plan: Plan, number: int, hard: Occupancy | None) -> Plan:
    """The plan of sample ``number``, from 1; the plan itself is sample 0.

    Its seed is ``number`` more, so that `--seed` makes the same picture. ``hard``: squares of the input that count;
    None for all.
    """
    seed = (plan.recipe.run.seed + number) % _SEEDS
    image = plan.image if hard is None else dataclasses.replace(plan.image, occupancy=_computed(plan, hard))
    # what every prediction of a tile is compared with does not change the picture
    recipe = plan.recipe.with_settings({"run.seed": seed, "tiles.disagreement": True})
    return dataclasses.replace(plan, recipe=recipe, image=image)


def can_spare(plan: Plan) -> bool:
    """Whether a sample can leave parts of the picture out: not where all of it is summed up, or sampled dilated."""
    return not list_reductions(plan) and plan.dilation is None


def _computed(plan: Plan, hard: Occupancy) -> Occupancy | None:
    """The squares that count, those round them, and of these the ones that hold data; None for all."""
    squares = hard.squares
    padded = np.pad(squares, 1)
    height, width = squares.shape
    wide = np.zeros_like(squares)
    for down in range(3):
        for across in range(3):
            wide |= padded[down : down + height, across : across + width]
    if plan.image.occupancy is not None:
        wide &= plan.image.occupancy.squares
    return None if wide.all() else Occupancy.of(wide, height=hard.height, width=hard.width)
