"""Small pictures of a run's arrays: averaged over cells, region by region, so that no more than one is in memory."""

from __future__ import annotations

import base64
import io

import numpy as np
from PIL import Image

from pipeline.imaging.pixels import to_rgb
from pipeline.plan.plan import Plan
from storage.arrays import RegionArray
from storage.box import Box
from storage.errors import CorruptRegionError, MissingRegionError
from storage.run import RunStore

SIDE = 480
"""pixels of the longer side, at most"""
MOST_REGIONS = 4096
"""that are read for one picture"""
ABSENT = 0.5
"""grey of what is not there"""


def thumbnail(store: RunStore, plan: Plan, name: str) -> str:
    """The array ``name`` as a data URI of a JPEG; what is not there of it is grey.

    Raises ValueError, a line for the page, where nothing is there, or more than can be read for it.
    """
    array = store.open_array(name) if store.has_array(name) else None
    there = array.regions() if array is not None else set()
    if array is None or not there:
        raise ValueError("its pixels are not in the run: not made yet, or removed")
    if len(there) > MOST_REGIONS:
        raise ValueError(f"not drawn: {len(there)} regions would have to be read, at most {MOST_REGIONS} are")
    return _as_uri(_averaged(array, plan, there))


def _averaged(array: RegionArray, plan: Plan, there: set[int]) -> np.ndarray:
    """``[3, y, x]`` in [0, 1]."""
    grid = array.grid
    cell = -(-max(grid.height, grid.width) // SIDE)
    shape = (-(-grid.height // cell), -(-grid.width // cell))
    total, count = np.zeros((3, *shape)), np.zeros(shape)
    for region in sorted(there):
        try:
            values = array.read_region(region)
        except (MissingRegionError, CorruptRegionError):
            continue  # grey: a page about a run does not fail with it
        add_cells(total, count, grid.box(region), _as_rgb(values, plan), cell)
    return np.divide(total, count, out=np.full_like(total, ABSENT), where=count > 0)


def _as_rgb(values: np.ndarray, plan: Plan) -> np.ndarray:
    """``[3, y, x]`` in [0, 1], of the bands that the model saw."""
    shown = list(plan.image.shown_bands)
    bands = values[shown] if len(values) > max(shown) else values[:1]
    unit = to_rgb(plan.value_range.to_unit(bands)).numpy()
    return np.nan_to_num(np.clip(unit[:3], 0, 1), nan=ABSENT)


def add_cells(total: np.ndarray, count: np.ndarray, box: Box, values: np.ndarray, cell: int) -> None:
    """Add the pixels of a box, ``values [c, y, x]``, to the sums of the cells that they lie in, in place."""
    rows, first_rows = np.unique(np.arange(box.top, box.bottom) // cell, return_index=True)
    cols, first_cols = np.unique(np.arange(box.left, box.right) // cell, return_index=True)
    sums = np.add.reduceat(np.add.reduceat(values, first_rows, axis=1), first_cols, axis=2)
    heights, widths = np.diff([*first_rows, box.height]), np.diff([*first_cols, box.width])
    total[:, rows[:, None], cols] += sums
    count[rows[:, None], cols] += heights[:, None] * widths


def _as_uri(rgb: np.ndarray) -> str:
    picture = Image.fromarray(np.rint(255 * rgb.transpose(1, 2, 0)).astype(np.uint8))
    data = io.BytesIO()
    picture.save(data, "JPEG", quality=88)
    return f"data:image/jpeg;base64,{base64.b64encode(data.getvalue()).decode()}"
