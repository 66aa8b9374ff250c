"""The reductions of one run against its store: shares as an array of one pixel a region, tables as blobs."""

from __future__ import annotations

import numpy as np

from pipeline.plan.plan import Plan
from pipeline.plan.reductions import chain_end, chain_previous, list_reductions
from pipeline.tasks.reduce import Reducer, Table, table_from_bytes, table_to_bytes
from storage.arrays import RegionArray
from storage.box import Box
from storage.run import RunStore

from .blobs import Blobs, crc_of, damaged_blob
from .layout import moments_name, statistics_blob


class StoredReductions:
    """Carries out measure and reduce tasks, and reads what they found."""

    def __init__(self, store: RunStore, plan: Plan, reducer: Reducer, blobs: Blobs) -> None:
        self._store, self._reducer, self._blobs = store, reducer, blobs
        self._reductions = list_reductions(plan)
        self._tables: dict[int, Table] = {}

    def measure(self, k: int, region: int) -> int:
        """Write a region's share of reduction ``k``; returns its crc32c."""
        share = self._reducer.share(k, region, self._before(k))
        return self._array(k).write(region, share[:, None, None])

    def reduce(self, k: int) -> int:
        """Add all shares of reduction ``k`` up and write the table; returns its crc32c."""
        array = self._array(k)
        shares = array.read(array.grid.canvas).reshape(array.channels, -1).T
        data = table_to_bytes(self._reducer.reduce(k, shares, self._before(k)))
        # durable where it is new: a table lost with a page cache would cost a pass over the whole canvas
        if not self._store.put_blob_new(statistics_blob(k), data):
            self._store.put_blob(statistics_blob(k), data)
        return crc_of(data)

    def last(self, box: Box) -> np.ndarray:
        """Latents ``[c, h, w]`` after the last step, as they are decoded."""
        return self._reducer.last(box, self.table("decode"))

    def table(self, chain: str) -> Table:
        """All that a whole chain found; empty for a chain without reductions."""
        return self._read(chain_end(self._reductions, chain))

    def _before(self, k: int) -> Table:
        return self._read(chain_previous(self._reductions, k))

    def _read(self, k: int | None) -> Table:
        if k is None:
            return {}
        table = self._tables.get(k)
        if table is None:
            data = self._blobs.get(statistics_blob(k))
            if data is None:
                raise damaged_blob(self._store, statistics_blob(k))
            table = table_from_bytes(data)
            self._tables = {k: table}
        return table

    def _array(self, k: int) -> RegionArray:
        return self._store.open_array(moments_name(k))
