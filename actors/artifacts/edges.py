"""Edges of the stage before, which ControlNets of a later stage are shown: the driver finds them, workers read them.

cond/edges     1 where an edge is and 0 elsewhere, ``[1, y, x] uint8`` on the pixels of the stage before
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from pipeline.imaging.resample import enlarge_cubic
from pipeline.plan.plan import Plan
from storage.box import Box
from storage.run import RunStore

from .layout import EDGES


def read_edges(store: RunStore, plan: Plan) -> Callable[[Box], np.ndarray]:
    """What gives the edges of a box of ``plan``'s output pixels: ``[1, y, x] float32``, bicubic, a little beyond [0, 1]
    beside an edge. ``store`` is the plan's own."""
    canvas = plan.regions.canvas.scaled(plan.geometry.factor)

    def read(box_out: Box) -> np.ndarray:
        array = store.open_array(EDGES)
        return enlarge_cubic(array.read, array.grid.canvas, canvas, box_out)

    return read
