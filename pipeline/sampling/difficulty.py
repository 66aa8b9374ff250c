"""Difficulty: how much there is to invent at a place, from 0 (nothing) to 1. Maps are read off the input.

``confidence``  1 - C of the model's restoration module (PatchScaler, arXiv 2405.17158, section 3.2).
``gradient``    e / (e + HALF), with e the mean squared gradient of the brightness in a square: for models without one.
``attention``   a, what a vision transformer such as DINO attends to (YODA, arXiv 2308.07977), in units of the picture's
                largest: see models.vit and plan.sources.
``file``        the user's own map: a picture of the input's size, black where there is nothing to invent.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch.nn import functional

from storage.box import Box

REACH = 5
"""input pixels round a place that the gradient source looks at"""
HALF = 4e-4
"""mean squared gradient, of values in [0, 1] and a step of one input pixel, that counts as difficulty one half"""


def from_confidence(confidence: torch.Tensor) -> np.ndarray:
    """[y, x] float32 from the restoration module's confidence [1, y, x]."""
    difficulty: np.ndarray = (1 - confidence[0]).clamp(0, 1).numpy()
    return difficulty


def from_gradient(low: torch.Tensor) -> np.ndarray:
    """[y, x] float32 from input pixels [3, y, x] in [0, 1]; the picture's edge is repeated beyond it."""
    grey = functional.pad(low.mean(0)[None, None], (1, 1, 1, 1), mode="replicate")
    along_y = (grey[..., 2:, 1:-1] - grey[..., :-2, 1:-1]) / 2
    along_x = (grey[..., 1:-1, 2:] - grey[..., 1:-1, :-2]) / 2
    reach = REACH - 1
    energy = functional.avg_pool2d(
        along_y**2 + along_x**2, 2 * reach + 1, stride=1, padding=reach, count_include_pad=False
    )
    difficulty: np.ndarray = (energy / (energy + HALF))[0, 0].numpy()
    return difficulty


def weigh(difficulty: np.ndarray, cell: int, power: float) -> np.ndarray:
    """[..., y, x]: the mean of each ``cell`` x ``cell`` square from the first pixel on, to a power.

    >>> weigh(np.array([[0.0, 1.0, 0.5]]), 2, 2.0).tolist()
    [[0.25, 0.25, 0.25]]
    """
    height, width = difficulty.shape[-2:]
    rows, cols = np.arange(0, height, cell), np.arange(0, width, cell)
    sums = np.add.reduceat(np.add.reduceat(difficulty.astype(np.float64), rows, axis=-2), cols, axis=-1)
    counts = np.outer(np.minimum(cell, height - rows), np.minimum(cell, width - cols))
    spread = np.repeat(np.repeat(sums / counts, cell, axis=-2), cell, axis=-1)[..., :height, :width]
    weighed: np.ndarray = (spread**power).astype(np.float32)
    return weighed


def at_latents(difficulty: np.ndarray, window: Box, box: Box, scale: int, factor: int) -> np.ndarray:
    """[h, w] at the latent pixels of ``box`` from a map [y, x] over ``window`` of the input; its edge is repeated."""
    ys = (2 * np.arange(box.top, box.bottom) + 1) * factor // (2 * scale) - window.top
    xs = (2 * np.arange(box.left, box.right) + 1) * factor // (2 * scale) - window.left
    return difficulty[ys.clip(0, window.height - 1)][:, xs.clip(0, window.width - 1)]


def refined_from(timesteps: Sequence[float], lower_bound: float) -> float:
    """The first of the last timesteps in which every place is refined, whatever its difficulty: a share of them.

    A grid of few steps has none up to T l, so the bound is in steps: at least the last one.

    >>> [refined_from(grid, 0.1) for grid in ((999, 499), (999, 749, 499, 249), range(950, -1, -50))]
    [499.0, 249.0, 50.0]
    """
    # a share of 0.1 is a little more than a tenth in binary
    count = max(1, math.ceil(lower_bound * len(timesteps) - 1e-9))
    return float(timesteps[-count])
