"""Structure guidance: the clean latent that a prediction speaks of is given a reference's low band (arXiv 2510.25818).

    averaged prediction, z -> x_0 -> x_0 + gain (LP(reference) - LP(x_0)) -> prediction

The low-pass sees beyond a region, so a merge averages predictions over its region's ``Plan.merge_window``: what
neighbouring merges have in common they compute from the same contributions in the same order, bit for bit.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from pipeline.imaging.frequency import refine
from storage.box import Box

from .solver import Solver


def guide_gain(solver: Solver, step: int) -> float:
    """How much of the low band is the reference's: from 1 down to nearly 0 as noise goes.

    The flow's sigma; of other models (1 - abar_t) / (1 - abar_tau), tau being the first timestep.
    """
    sigma = float(solver.level(step)[1])
    if solver.prediction_type == "flow":
        return sigma
    return sigma**2 / float(solver.level(0)[1]) ** 2


def guide_prediction(
    solver: Solver,
    step: int,
    z: np.ndarray,
    prediction: np.ndarray,
    reference: np.ndarray,
    *,
    padded: Box,
    canvas: Box,
    box: Box,
    cell: int,
) -> np.ndarray:
    """The guided prediction ``[c, y, x] float32`` over ``box``, in the model's own terms.

    z, prediction and the reference latent are ``[c, y, x] float32`` over ``padded``, which holds what a low-pass of
    ``cell`` latent pixels sees round the box.
    """
    clean = solver.clean(step, torch.from_numpy(z), torch.from_numpy(prediction)).numpy()
    gain = guide_gain(solver, step)
    refined = refine(_reader(reference, padded), _reader(clean, padded), canvas, box, gain=gain, cell=cell)
    inner = torch.from_numpy(z[:, *box.within(padded)])
    guided: np.ndarray = solver.towards(step, inner, torch.from_numpy(refined)).numpy()
    return guided


def _reader(values: np.ndarray, padded: Box) -> Callable[[Box], np.ndarray]:
    return lambda box: values[:, *box.within(padded)]
