"""The stage before: what a progressive run's later stage reads of the finished run that it grows from."""

from __future__ import annotations

import functools

import numpy as np
import torch

from pipeline.imaging.moments import Rescaling
from pipeline.imaging.pixels import to_rgb
from pipeline.imaging.resample import enlarge_cubic
from pipeline.plan.plan import Plan
from pipeline.plan.record import plan_from_json
from pipeline.plan.reductions import chain_end, list_reductions
from pipeline.tasks.anchor import anchor_from
from pipeline.tasks.reduce import table_from_bytes
from storage.box import Box
from storage.run import RunStore

from .blobs import crc_of, damaged_blob
from .layout import OUT, latent_name, statistics_blob
from .sums import record_sums


class Before:
    """Reads a finished stage on the canvas of the one that follows it."""

    def __init__(self, store: RunStore, plan: Plan) -> None:
        """``store``: of the stage before ``plan``. Raises ValueError where it holds another one."""
        stored = store.read_plan()
        self._store, self._canvas = store, plan.regions.canvas
        self._plan = plan_from_json(stored) if stored is not None else None
        if self._plan is None or self._plan.hash != plan.stage.before:
            raise ValueError(f"{store.url} does not hold the stage that the plan grows from: start the run again")
        store.journal.expect(self._plan.hash)
        self._factor = plan.geometry.factor

    @functools.cached_property
    def anchor(self) -> Rescaling | None:
        """The stage's own, which knows the first stage's; None for a recipe without. Checked against its journal."""
        assert self._plan is not None
        k = chain_end(list_reductions(self._plan), "decode")
        if k is None:
            return None
        name = statistics_blob(k)
        data = self._store.get_blob(name)
        if data is None or crc_of(data) != record_sums(self._store.journal.replay()).get(name):
            raise damaged_blob(self._store, name)
        return anchor_from(table_from_bytes(data))

    def latents(self, box: Box) -> np.ndarray:
        """The stage's result, anchored, enlarged to a box of this stage's latent canvas: ``[c, y, x] float32``."""
        assert self._plan is not None
        source = self._plan.regions.canvas
        array = self._store.open_array(latent_name(self._plan.num_steps))

        def read(window: Box) -> np.ndarray:
            latents = array.read(window)
            return latents if self.anchor is None else self.anchor.apply(latents)

        return enlarge_cubic(read, source, self._canvas, box)

    def pixels(self, window: Box) -> torch.Tensor:
        """Its picture, enlarged to a window of this stage's output pixels: RGB ``[3, y, x]``, not clipped."""
        assert self._plan is not None
        plan, array = self._plan, self._store.open_array(OUT)
        source = plan.out_regions.canvas

        def read(window: Box) -> np.ndarray:
            rgb: np.ndarray = to_rgb(plan.value_range.to_unit(array.read(window))).numpy()
            return rgb

        return torch.from_numpy(enlarge_cubic(read, source, self._canvas.scaled(self._factor), window))
