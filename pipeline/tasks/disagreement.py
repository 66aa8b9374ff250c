"""How far overlapping tiles disagree: the deviation of what they predict of one place, about what they are averaged to.

Of tiles i over a place with weights w and predictions p, at the last step, with m = sum w p / sum w:

    d^2 = mean over channels of (sum w (p - m)^2 / sum w) (d x0 / d p)^2

All tiles see the same latents there, so d is the deviation of the clean latents x0 that they have in mind, in the unit
of the latents. A place under one tile alone has none: NaN.

Weights, means and squares about the means are joined tile by tile, and then region by region (Chan, Golub and LeVeque
1979, equation 2.1): tiles that agree leave exactly nothing, where the mean square less the mean's square would leave
rounding, up to a thousandth of the predictions.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from pipeline.plan.plan import Plan
from pipeline.sampling.solver import Solver
from storage.box import Box

from .contribution import Contribution

NUM_MOMENTS = 2
"""channels of moments before the means"""


def is_asked(plan: Plan, step: int) -> bool:
    """Whether a step's tiles are compared: the last one's, where a recipe asks for it."""
    return plan.recipe.tiles.disagreement and step == plan.num_steps - 1


def no_moments(channels: int, shape: tuple[int, int]) -> np.ndarray:
    """Of no tiles: ``[2 + c, y, x] float32``, the weights' sum, the sum of squares about the mean, and the mean."""
    return np.zeros((NUM_MOMENTS + channels, *shape), np.float32)


def moments_of(prediction: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Of one tile that predicts ``[c, y, x]`` with a weight ``[y, x]``."""
    return np.concatenate([weight[None], np.zeros_like(weight)[None], prediction])


def join_moments(moments: np.ndarray, more: np.ndarray) -> None:
    """Add ``more`` to ``moments``, in place; the squares are means over channels."""
    weight = moments[0] + more[0]
    share = np.divide(more[0], weight, out=np.zeros_like(weight), where=weight > 0)
    apart = more[NUM_MOMENTS:] - moments[NUM_MOMENTS:]
    moments[1] += more[1] + moments[0] * share * (apart**2).mean(axis=0)
    moments[NUM_MOMENTS:] += share * apart
    moments[0] = weight


def deviation(contributions: Sequence[Contribution], counts: np.ndarray, box: Box) -> np.ndarray:
    """The deviation ``[1, y, x] float32`` of predictions over a box.

    ``contributions`` in plan order, with moments; ``counts``: [y, x], how many tiles lie over each place.
    """
    total = no_moments(len(contributions[0].total), box.shape)
    for contribution in contributions:
        overlap = contribution.box.intersection(box)
        if overlap is not None and contribution.moments is not None:
            join_moments(total[:, *overlap.within(box)], contribution.moments[:, *overlap.within(contribution.box)])
    spread = np.sqrt(np.divide(total[1], total[0], out=np.zeros(box.shape, np.float32), where=total[0] > 0))
    return np.where(counts > 1, spread, np.float32(np.nan))[None].astype(np.float32)


def of_clean(solver: Solver, step: int) -> float:
    """How far x0 moves for a prediction that moves by one: the solver's is linear in it."""
    still, moved = (solver.clean(step, torch.zeros(1), torch.full((1,), value)) for value in (0.0, 1.0))
    return abs(float(moved - still))
