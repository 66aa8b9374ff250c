"""The latents of one run at each of its steps, as its tasks read them."""

from __future__ import annotations

import numpy as np
import torch

from pipeline.geometry.noise import keyed_noise
from pipeline.plan.plan import Plan
from pipeline.sampling.decay import cosine_weight
from pipeline.sampling.solver import Solver
from storage.box import Box
from storage.run import RunStore

from .layout import COARSE, DIFFICULTY, history_name, latent_name


class States:
    """Reads latents (see pipeline.tasks.reads); mixes a stage's noised start in where the recipe says so.

    That start is made again from the coarse latent and keyed noise wherever it is read, and never stored.
    """

    def __init__(self, store: RunStore, plan: Plan, solver: Solver) -> None:
        self._store, self._plan, self._solver = store, plan, solver

    def history(self, step: int, box: Box) -> np.ndarray:
        """What the solver remembers as a step begins, over a box: ``[k * c, y, x]``."""
        return self._store.open_array(history_name(step)).read(box)

    def difficulty(self, box: Box) -> np.ndarray:
        """The difficulty ``[y, x]`` of a box."""
        difficulty: np.ndarray = self._store.open_array(DIFFICULTY).read(box)[0]
        return difficulty

    def coarse(self, box: Box) -> np.ndarray:
        """The coarse latent ``[c, y, x]`` of a box."""
        return self._store.open_array(COARSE).read(box)

    def noise(self, box: Box, draw: int) -> np.ndarray:
        """``[c, y, x] float32``; draw 0 is the stage's first, draw s + 1 what step s adds."""
        plan = self._plan
        return keyed_noise(
            box, channels=plan.geometry.channels, seed=plan.recipe.run.seed, stage=plan.stage.index, draw=draw
        )

    def at(self, step: int, box: Box) -> np.ndarray:
        """Latents ``[c, y, x]`` that a step starts from, or, after the last step, its result.

        (1 - c) z + c (the noised start), c = cosine ** skip (DemoFusion, section 3.2: skip residual).
        """
        z, power = self._store.open_array(latent_name(step)).read(box), self._plan.recipe.sampling.skip
        if not power or step == self._plan.num_steps:
            return z
        weight = np.float32(cosine_weight(self._plan.timesteps[step], power))
        coarse, noise = torch.from_numpy(self.coarse(box)), torch.from_numpy(self.noise(box, draw=0))
        start: np.ndarray = self._solver.noised(step, coarse, noise).numpy()
        mixed: np.ndarray = (1 - weight) * z + weight * start
        return mixed
