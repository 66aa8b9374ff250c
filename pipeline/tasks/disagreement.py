"""How far overlapping tiles disagree: the deviation of what they predict of one place, about what they are averaged to.

Of tiles i over a place with weights w and predictions p, at the last step, with m = sum w p / sum w:

    d^2 = mean over channels of (sum w p^2 / sum w - m^2) (d x0 / d p)^2

All tiles see the same latents there, so d is the deviation of the clean latents x0 that they have in mind, in the unit
of the latents. A place under one tile alone has none: NaN.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from pipeline.plan.plan import Plan
from pipeline.sampling.solver import Solver
from storage.box import Box

from .contribution import Contribution


def is_asked(plan: Plan, step: int) -> bool:
    """Whether a step's tiles are compared: the last one's, where a recipe asks for it."""
    return plan.recipe.tiles.disagreement and step == plan.num_steps - 1


def mean_square(prediction: np.ndarray) -> np.ndarray:
    """``[1, y, x]`` of ``[c, y, x]``."""
    found: np.ndarray = (prediction**2).mean(axis=0, keepdims=True)
    return found


def deviation(
    contributions: Sequence[Contribution], average: np.ndarray, weights: np.ndarray, counts: np.ndarray, box: Box
) -> np.ndarray:
    """The deviation ``[1, y, x] float32`` of predictions over a box; ``average``: [c, y, x], what they come to.

    ``contributions`` in plan order; ``weights`` and ``counts``: [y, x], the sum of the tiles' weights, and how many
    tiles there are.
    """
    total = np.zeros((1, *box.shape), np.float32)
    for contribution in contributions:
        overlap = contribution.box.intersection(box)
        if overlap is not None and contribution.squares is not None:
            total[:, *overlap.within(box)] += contribution.squares[:, *overlap.within(contribution.box)]
    # tiles that agree leave a little less than nothing, by rounding
    spread = np.sqrt(np.maximum(total / weights - mean_square(average), 0))
    return np.where(counts > 1, spread, np.float32(np.nan)).astype(np.float32)


def of_clean(solver: Solver, step: int) -> float:
    """How far x0 moves for a prediction that moves by one: the solver's is linear in it."""
    still, moved = (solver.clean(step, torch.zeros(1), torch.full((1,), value)) for value in (0.0, 1.0))
    return abs(float(moved - still))
