"""The pixels that a run works on: those of its input in the store, or, in a later stage, the picture of the one before.

pixels     the input as it was ingested, in its own type, [bands, y, x], its holes filled from around them
valid      where it is data, [bands or 1, y, x] uint8: 1, or 0 for a hole; only of an input that can have holes
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from pipeline.imaging.pixels import to_rgb
from pipeline.plan.plan import Plan
from storage.box import Box
from storage.run import RunStore

from .layout import PIXELS, VALID
from .previous import Before


def read_pixels(store: RunStore, plan: Plan, before: Before | None = None) -> Callable[[Box], torch.Tensor]:
    """What gives the input pixels of a window: ``[3, y, x]``, 0 and 1 at the ends of the value range, not clipped."""
    if before is not None:
        return before.pixels
    bands, shown = read_bands(store), list(plan.image.shown_bands)

    def read(window: Box) -> torch.Tensor:
        return to_rgb(plan.value_range.to_unit(bands(window)[shown]))

    return read


def read_bands(store: RunStore) -> Callable[[Box], np.ndarray]:
    """What gives all bands of the input in a window, ``[bands, y, x]`` of its own number format."""
    return lambda window: store.open_array(PIXELS).read(window)


def read_valid(store: RunStore, plan: Plan) -> Callable[[Box], np.ndarray | None]:
    """What says of a window where the input is data: bool ``[bands or 1, y, x]``, None for everywhere."""
    if plan.image.holes == "none":
        return lambda _window: None
    return lambda window: store.open_array(VALID).read(window) > 0
