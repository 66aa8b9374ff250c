"""What the journal tells of items: looked up by item, in tables of a place each and not of an object."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from actors.schedule.graph import Graph
from actors.schedule.task import Item, Kind, Task
from storage.ledger import Ledger, Record

from .blobs import BLOBS
from .sums import as_task, blob_sums
from .table import Kept, blob_name

ACTIVE = "active"
"""what the journal calls a region's active tiles, among checksums by array name"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What the journal tells of an item."""

    arrays: dict[str, int]
    """crc32c of its regions, by array"""
    blobs: dict[str, int]
    """crc32c of its blobs, and of those that it shares, by name"""


class ToldByItem:
    """The last record of each item."""

    def __init__(self, graph: Graph, kept: Kept, ledger: Ledger) -> None:
        self._kept, self._columns = kept, ledger.columns
        self._rows: dict[tuple[str, int], np.ndarray] = {}
        """place of the record of each region's item, -1 where there is none; by kind of item and step"""
        for kind, step, regions, rows in ledger.layers():
            if kind in frozenset(Kind) and (places := graph.places(item := graph.product(Task(Kind(kind), step, 0)))):
                known = (regions >= 0) & (regions < places)
                table = self._rows.setdefault((item.kind, item.step), np.full(places, -1, np.int64))
                # later records of a region are further back, and of two tasks that make an item one is ever there
                np.maximum.at(table, regions[known], rows[known])

    def __contains__(self, item: Item) -> bool:
        table = self._rows.get((item.kind, item.step))
        return table is not None and bool(table[item.region] >= 0)

    def __getitem__(self, item: Item) -> Told:
        record = self._record(item)
        task = as_task(record)
        sums = {} if blob_name(item) else {name: record.crc32c for name in self._kept.names(item)[:1]}
        beside = {key: value for key, value in record.extra.items() if key not in (ACTIVE, BLOBS)}
        return Told(arrays=sums | beside, blobs=blob_sums(task, record.crc32c, record.extra))

    def blobs(self) -> Iterator[Item]:
        """Items that are a blob."""
        for kind, step in self._rows:
            item = Item(kind, step, 0)
            if blob_name(item) and item in self:
                yield item

    def _record(self, item: Item) -> Record:
        return self._columns.record(int(self._rows[item.kind, item.step][item.region]))


def count_active(ledger: Ledger) -> dict[int, tuple[int, ...]]:
    """Tiles at work in each step, by region, as its prepare task counted them."""
    return {record.region: tuple(record.extra[ACTIVE]) for record in ledger.beside(ACTIVE)}
