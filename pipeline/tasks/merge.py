"""merge(s, r): sum a region's contributions in plan order, divide by the known weights, take one solver step.

Averaging predictions and stepping once is what MultiDiffusion's per-view stepping computes, for every deterministic
solver: each is linear in z and the model's outputs, all views of a pixel share z, and the weights do not change.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from pipeline.sampling.solver import Solver
from storage.box import Box

from .contribution import Contribution


def average(contributions: Sequence[Contribution], box: Box, weights: np.ndarray, channels: int) -> np.ndarray:
    """The averaged prediction ``[c, y, x] float32`` over any box: a region, or more.

    ``contributions`` are all that touch the box, in plan order (row-major by the region that made them): float32 sums
    depend on it, and so two boxes have the same bytes where they overlap. ``weights``: [y, x] float32 over the box, the
    sum of all tiles' weights, positive everywhere.
    """
    total = np.zeros((channels, *box.shape), dtype=np.float32)
    for contribution in contributions:
        part = contribution.box.intersection(box)
        if part is not None:
            total[:, *part.within(box)] += contribution.dense()[:, *part.within(contribution.box)]
    return total / weights


def merge_region(
    solver: Solver,
    step: int,
    z: np.ndarray,
    prediction: np.ndarray,
    history: np.ndarray | None,
    noise: np.ndarray | None,
) -> tuple[np.ndarray, np.ndarray | None]:
    """z and history of a region one step on.

    z, prediction, noise: [c, y, x] float32. history: [k * c, y, x] float32, the solver's k remembered tensors one
    after another, or None.
    """
    channels = z.shape[0]
    remembered = () if history is None else tuple(torch.from_numpy(h) for h in _split(history, channels))
    z_next, history_next = solver.step(
        step,
        torch.from_numpy(z),
        torch.from_numpy(prediction),
        remembered,
        None if noise is None else torch.from_numpy(noise),
    )
    stacked = np.concatenate([h.numpy() for h in history_next]) if history_next else None
    return z_next.numpy(), stacked


def _split(history: np.ndarray, channels: int) -> list[np.ndarray]:
    return [history[first : first + channels] for first in range(0, len(history), channels)]
