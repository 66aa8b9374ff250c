"""The pixels that a run works on: those of its input in the store, or, in a later stage, the picture of the one before.

pixels     the input as it was ingested, in its own type, [bands, y, x]
"""

from __future__ import annotations

from collections.abc import Callable

import torch

from pipeline.imaging.pixels import to_rgb
from pipeline.plan.plan import Plan
from storage.box import Box
from storage.run import RunStore

from .layout import PIXELS
from .previous import Before


def read_pixels(store: RunStore, plan: Plan, before: Before | None = None) -> Callable[[Box], torch.Tensor]:
    """What gives the input pixels of a window: ``[3, y, x]``, 0 and 1 at the ends of the value range, not clipped."""
    if before is not None:
        return before.pixels

    def read(window: Box) -> torch.Tensor:
        return to_rgb(plan.value_range.to_unit(store.open_array(PIXELS).read(window)))

    return read
