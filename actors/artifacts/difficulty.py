"""Difficulty that is not read off pixels or restored: a user's map in the store, a vision transformer's attention."""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np
import torch

from pipeline.models.vit import AttentionReader, load_attention
from pipeline.plan.plan import Plan
from storage.box import Box
from storage.run import RunStore

from .layout import DIFFICULTY_MAP


class DifficultyMaps:
    """Maps [y, x] float32, a user's in [0, 1], over windows of input pixels, by the names of the recipe's sources."""

    def __init__(
        self,
        store: RunStore,
        plan: Plan,
        read_rgb: Callable[[Box], torch.Tensor],
        vit: str | None,
        compute: threading.RLock,
    ) -> None:
        """``vit`` names the vision transformer, which is loaded where it is first asked; ``compute`` is held while it
        computes."""
        self._store, self._plan, self._read_rgb = store, plan, read_rgb
        self._vit, self._compute = vit, compute
        self._reader: AttentionReader | None = None
        self.sources = {"file": self.of_file, "attention": self.of_attention}

    def of_file(self, window: Box) -> np.ndarray:
        values = self._store.open_array(DIFFICULTY_MAP).read(window)[0]
        unit: np.ndarray = values.astype(np.float32) / np.float32(np.iinfo(values.dtype).max)
        return unit

    def of_attention(self, window: Box) -> np.ndarray:
        plan = self._plan
        with self._compute:
            if self._reader is None:
                assert plan.attention is not None
                assert self._vit is not None
                self._reader = load_attention(
                    self._vit, plan.attention, heads=plan.recipe.difficulty.heads, device=plan.device.kind
                )
            return self._reader.read(self._read_rgb, plan.source, window)
