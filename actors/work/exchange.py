"""Dilated samples of one run: what batches of a window share at a step is made once in a process."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from actors.artifacts.reductions import StoredReductions
from pipeline.geometry.dilation import gather
from pipeline.models.protocol import Conditioning
from pipeline.plan.plan import Plan
from pipeline.plan.reductions import step_chain
from pipeline.tasks.compat import sample_scales
from pipeline.tasks.contribution import Contribution
from pipeline.tasks.denoise import Denoiser, PromptTable
from pipeline.tasks.exchange import SampleBatch, blur, sample_batch, share_out, window_bijection
from pipeline.tasks.micro_conditioning import WHOLE, told_crops
from pipeline.tasks.reads import Reads
from pipeline.tasks.reduce import restoring


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Shared:
    """What all batches of a dilation window share at a step."""

    bijection: np.ndarray | None
    """see pipeline.geometry.interaction.draw_bijection"""
    samples: np.ndarray
    """[s * s, c, h, w] float32: all samples, blurred, with the canvas's mean and deviation"""
    coarse: np.ndarray | None
    """of the coarse latent, likewise, but not blurred; None for a model that reads none"""


class Exchange:
    """Gathers batches of dilated samples, has them predicted, and gives the predictions back."""

    def __init__(
        self,
        plan: Plan,
        reads: Reads,
        reductions: StoredReductions,
        denoiser: Denoiser,
        prompt_table: Callable[[], PromptTable],
    ) -> None:
        """``prompt_table`` gives the plan's own prompts."""
        self._plan, self._reads, self._reductions = plan, reads, reductions
        self._denoiser, self._prompt_table = denoiser, prompt_table
        self._lock = threading.Lock()
        self._last: tuple[tuple[int, int], Shared] | None = None
        """step and window, and what their batches share"""

    def exchange(self, step: int, number: int) -> list[Contribution]:
        """Batch ``number`` of a step, under the whole prompt and without structure: a contribution for each region
        under the batch's window, ascending."""
        batch, latents, conditioning = self._gather(step, number)
        scales = sample_scales(self._plan, self._denoiser.solver, step, len(latents))
        predictions = self._denoiser.predict(step, latents, conditioning, self._prompt_table(), scales)
        return share_out(batch, predictions.numpy(), self._plan.regions)

    def _gather(self, step: int, number: int) -> tuple[SampleBatch, torch.Tensor, Conditioning]:
        """Batch ``number`` of a step, its latents ``[B, c, h, w]``, and all that the model is given beside prompts."""
        plan, dilation = self._plan, self._plan.dilation
        assert dilation is not None
        window, _, _ = dilation.batches(plan.denoise_settings.batch)[number]
        shared = self._share(step, window)
        batch = sample_batch(plan, number, shared.bijection)
        latents = torch.from_numpy(batch.pick(shared.samples))
        coarse = None if shared.coarse is None else torch.from_numpy(batch.pick(shared.coarse))
        crops = told_crops(plan, [WHOLE] * len(latents))
        return batch, latents, Conditioning(coarse=coarse, crops=crops)

    def _share(self, step: int, window: int) -> Shared:
        # the other thread most likely wants the same
        with self._lock:
            if self._last is None or self._last[0] != (step, window):
                self._last = (step, window), self._find(step, window)
            return self._last[1]

    def _find(self, step: int, window: int) -> Shared:
        plan, dilation = self._plan, self._plan.dilation
        assert dilation is not None
        box = dilation.window(window)
        rescaling = restoring(self._reductions.table(step_chain(step)))
        blurred = rescaling.apply(blur(plan, step, lambda wanted: self._reads.at(step, wanted), box))
        return Shared(
            bijection=window_bijection(plan, step, window),
            samples=gather(dilation, blurred),
            coarse=gather(dilation, self._reads.coarse(box)) if plan.model_reads_coarse else None,
        )
