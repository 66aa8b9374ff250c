"""Dilated samples of one run: what batches of a window share at a step is made once in a process."""

from __future__ import annotations

import threading

import numpy as np
import torch

from pipeline.backbone import Conditioning
from pipeline.contribution import Contribution
from pipeline.crops import WHOLE, crop_numbers
from pipeline.exchange import SampleBatch, blur, sample_batch, share_out
from pipeline.plan import Plan
from pipeline.reduction import restoring, step_chain

from .reductions import StoredReductions
from .states import States


class Exchange:
    """Gathers batches of dilated samples and gives their predictions back."""

    def __init__(self, plan: Plan, states: States, reductions: StoredReductions) -> None:
        self._plan, self._states, self._reductions = plan, states, reductions
        self._lock = threading.Lock()
        self._blurred: tuple[tuple[int, int], np.ndarray] | None = None
        """step and window, and the window as its samples are seen"""

    def gather(self, step: int, number: int) -> tuple[SampleBatch, torch.Tensor, Conditioning]:
        """Batch ``number`` of a step, its latents ``[B, c, h, w]``, and all that the model is given beside prompts."""
        plan = self._plan
        batch = sample_batch(plan, step, number)
        latents = torch.from_numpy(batch.pick(self._see(step, batch)))
        coarse = None
        if plan.model_reads_coarse:
            coarse = torch.from_numpy(batch.pick(self._states.coarse(batch.box)))
        crops = crop_numbers(plan, [WHOLE] * len(latents)) if plan.recipe.crops == "tile" else None
        return batch, latents, Conditioning(coarse=coarse, crops=crops)

    def share_out(self, batch: SampleBatch, predictions: torch.Tensor) -> list[Contribution]:
        """A contribution for each region under the batch's window, ascending."""
        return share_out(batch, predictions.numpy(), self._plan.regions)

    def _see(self, step: int, batch: SampleBatch) -> np.ndarray:
        """The window ``[c, y, x]``, blurred, with the canvas's mean and deviation."""
        with self._lock:
            if self._blurred is None or self._blurred[0] != (step, batch.window):
                found = restoring(self._reductions.table(step_chain(step)))
                blurred = blur(self._plan, step, lambda box: self._states.at(step, box), batch.box)
                self._blurred = (step, batch.window), found.apply(blurred)
            return self._blurred[1]
