"""Rest: what is predicted where the model does not look, so that those places follow the noised coarse latent."""

from __future__ import annotations

import numpy as np
import torch

from pipeline.imaging.finite import finite
from pipeline.models.protocol import Backbone, SpreadingBackbone
from pipeline.plan.recipe import Recipe
from pipeline.sampling.solver import Solver


def rest(
    recipe: Recipe, solver: Solver, backbone: Backbone, step: int, z: np.ndarray, coarse: np.ndarray
) -> np.ndarray:
    """The prediction ``[c, y, x] float32`` that leads z to the coarse latent; both of that shape.

    Where the model knows how far pictures lie from their coarse latents, the state keeps a share of their energy
    (difficulty.idle_spread), so a place that becomes active has detail to begin from.
    """
    clean = torch.from_numpy(coarse)
    spread = None
    if isinstance(backbone, SpreadingBackbone):
        spread = recipe.difficulty.idle_spread * finite(backbone.spread(clean[None])[0], "the spread of coarse latents")
    prediction: np.ndarray = solver.towards(step, torch.from_numpy(z), clean, spread).numpy()
    return prediction


def mask(active: np.ndarray, prediction: np.ndarray, resting: np.ndarray) -> np.ndarray:
    """The prediction where YODA's mask says, and what rests elsewhere; all [c, y, x], ``active`` [y, x]."""
    masked: np.ndarray = np.where(active, prediction, resting)
    return masked
