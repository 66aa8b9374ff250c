"""merge(s, r): sum a region's contributions in plan order, divide by the known weights, take one solver step.

Averaging predictions and stepping once is what MultiDiffusion's per-view stepping computes, for every deterministic
solver: each is linear in z and the model's outputs, all views of a pixel share z, and the weights do not change.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from pipeline.imaging.finite import TOO_STRONG, at, finite
from pipeline.models.protocol import Backbone
from pipeline.plan.plan import Plan
from pipeline.sampling.guidance import guide_prediction
from pipeline.sampling.solver import Solver
from storage.box import Box

from .activity import active_pixels
from .combine import combine, tile_counts
from .contribution import Contribution
from .denoise import cut
from .disagreement import deviation, is_asked, of_clean
from .reads import Reads
from .rest import mask, rest


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Merged:
    """A region one step on."""

    latents: np.ndarray
    """[c, y, x] float32"""
    history: np.ndarray | None
    """[k * c, y, x] float32: what the solver remembers for the next step; None where it remembers nothing, or there is
    no next step"""
    disagreement: np.ndarray | None = None
    """[1, y, x] float32: see disagreement.py; None where it is not asked for"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Merger:
    """Merges the regions of one plan."""

    plan: Plan
    solver: Solver
    reads: Reads
    backbone: Backbone
    """asked only how far pictures lie from their coarse latents, where nothing is denoised"""

    def merge(self, step: int, region: int, contributions: Sequence[Contribution]) -> Merged:
        """``contributions``: all that touch the region's merge window, in plan order.

        Raises NotFiniteError where the step leads to no numbers.
        """
        plan, solver, reads = self.plan, self.solver, self.reads
        box = plan.regions.box(region)
        window = plan.merge_window(box)
        around = reads.at(step, window)
        z = cut(around, window, box)
        prediction = self._masked(step, box, z, self._predict(step, box, window, around, contributions))
        history = reads.history(step, box) if solver.num_history and step > 0 else None
        noise = reads.noise(box, draw=step + 1) if solver.is_stochastic else None
        z_next, history_next = merge_region(solver, step, z, prediction, history, noise)
        finite(z_next, "the solver", at(box), mend=f'try dtype = "float32"; {TOO_STRONG}')
        return Merged(
            latents=z_next,
            history=history_next if step + 1 < plan.num_steps else None,
            disagreement=self._compare(step, box, contributions) if is_asked(plan, step) else None,
        )

    def _compare(self, step: int, box: Box, contributions: Sequence[Contribution]) -> np.ndarray:
        """How far the tiles over a region disagree about its clean latents."""
        tiles = [one for one in contributions if not one.is_dilated]
        spread = deviation(tiles, tile_counts(self.plan, step, box), box)
        return spread * np.float32(of_clean(self.solver, step))

    def _predict(
        self, step: int, box: Box, window: Box, around: np.ndarray, contributions: Sequence[Contribution]
    ) -> np.ndarray:
        """What a step predicts of a region: the tiles' mean, drawn to the coarse latent where a recipe asks for it.

        ``around``: latents over ``window``, all that the region's merge reads.
        """
        plan = self.plan
        prediction = combine(plan, step, contributions, window, channels=plan.geometry.channels)
        if not plan.is_guided:
            return prediction
        coarse, cell = self.reads.coarse(window), plan.recipe.guidance.low_cell
        canvas = plan.regions.canvas
        return guide_prediction(
            self.solver, step, around, prediction, coarse, padded=window, canvas=canvas, box=box, cell=cell
        )

    def _masked(self, step: int, box: Box, z: np.ndarray, prediction: np.ndarray) -> np.ndarray:
        """The prediction, and rest where a difficulty mask lets a place begin later (YODA, arXiv 2308.07977)."""
        plan, recipe = self.plan, self.plan.recipe
        if recipe.difficulty.activity != "mask":
            return prediction
        difficulty, coarse = self.reads.difficulty(box), self.reads.coarse(box)
        resting = rest(recipe, self.solver, self.backbone, step, z, coarse)
        assert recipe.difficulty.lower_bound is not None
        active = active_pixels(difficulty, plan.timesteps[step], recipe.difficulty.lower_bound, plan.refined_from)
        return mask(active, prediction, resting)
