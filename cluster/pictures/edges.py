"""Between two stages: canny edges of the finished one's picture, for the ControlNets of the next (AccDiffusion v2).

Three passes over the picture, a region at a time: the median of all values, the rims of every region's marks, and the
edges. Marks are found twice and never kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from actors.artifacts.layout import EDGES, OUT
from pipeline.imaging.edges import LEVELS, find_marks, histogram, join, rim, settle, thresholds
from pipeline.plan.plan import Plan
from storage.box import RegionGrid
from storage.journal import Record, driver_record
from storage.lease import Lease
from storage.run import RunStore

from .transfer import INGEST, is_recorded, write_over


def bring_edges(
    store: RunStore,
    plan: Plan,
    before: RunStore,
    lease: Lease,
    records: Sequence[Record],
    *,
    on_rows: Callable[[], None] = lambda: None,
) -> None:
    """Put the edges of the stage in ``before`` into ``store``, which is of ``plan``, the next one; does nothing where
    the journal says that they are there, whole.

    ``on_rows`` is called after each row of regions of each pass, and now and then while edges are checked.
    """
    picture = before.open_array(OUT)
    grid = picture.grid
    array = store.array(EDGES, channels=1, grid=grid, dtype="uint8", compress=True)
    if is_recorded(array, records, on_rows):
        return
    counts = np.zeros(LEVELS, dtype=np.int64)
    for region in _by_rows(grid, on_rows):
        counts += histogram(picture.read_region(region))
    low, high = thresholds(counts, plan.recipe.structure.edge_share)
    lit = join([rim(find_marks(picture.read, grid, region, low, high)) for region in _by_rows(grid, on_rows)], grid)
    checksums = []
    for region in _by_rows(grid, on_rows):
        found = settle(find_marks(picture.read, grid, region, low, high), lit[region])
        checksums.append(write_over(array, region, found[None].astype(np.uint8), lease))
    record = driver_record(INGEST, extra={"array": EDGES, "crc32c": checksums})
    store.journal.append([record], lease.generation)


def _by_rows(grid: RegionGrid, on_rows: Callable[[], None]) -> Iterator[int]:
    for region in range(grid.num_regions):
        yield region
        if (region + 1) % grid.cols == 0:
            on_rows()
