"""What the journal tells of blobs: which task's record names them, and the checksums of all that a task may read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from actors.schedule.graph import Graph, product
from actors.schedule.task import Item, Kind, Task
from storage.ledger import Ledger, Record

from .blobs import BLOBS, Sums
from .table import blob_name


class JournalledSums:
    """What the journal says of blobs, by the item that they belong to."""

    def __init__(self, graph: Graph, given_blobs: Sums | None = None) -> None:
        """``given_blobs``: blobs that the driver itself put there, which any task may read."""
        self._graph, self._given_blobs = graph, dict(given_blobs or {})
        self._by_item: dict[Item, dict[str, int]] = {}

    def add(self, task: Task, crc32c: int, extra: Mapping[str, Any]) -> None:
        """A task is done: its outcome, or its record."""
        sums = blob_sums(task, crc32c, extra)
        if sums:
            self._by_item[self._graph.product(task)] = sums

    def of(self, task: Task) -> dict[str, int]:
        """The checksums of all that a task may read."""
        sums = dict(self._given_blobs)
        for item in self._items(task):
            sums |= self._by_item.get(item, {})
        return sums

    def _items(self, task: Task) -> Iterable[Item]:
        yield from self._graph.inputs(task)
        if task.kind is Kind.DENOISE:
            # its tiles' own prompts, without which its latents were not begun
            yield Item("coarse", 0, task.region)


def blob_sums(task: Task, crc32c: int, extra: Mapping[str, Any]) -> dict[str, int]:
    """The checksums of the blobs that a task made or found, by name."""
    name = blob_name(product(task))
    return ({} if name is None else {name: crc32c}) | dict(extra.get(BLOBS, {}))


def record_sums(records: Iterable[Record]) -> dict[str, int]:
    """The checksums of all blobs that records name; the last one that names a blob counts."""
    sums: dict[str, int] = {}
    for record in records:
        sums |= blob_sums(as_task(record), record.crc32c, record.extra) if is_task(record) else {}
    return sums


def records_of_blobs(ledger: Ledger) -> Iterator[Record]:
    """The records of tasks that made or found blobs, in no order of the two."""
    makers = [kind for kind in Kind if blob_name(product(Task(kind, 0, 0))) is not None]
    yield from ledger.of(*makers)
    yield from (record for record in ledger.beside(BLOBS) if is_task(record) and record.kind not in makers)


def is_task(record: Record) -> bool:
    """Whether a record is of a task, and not of a pass that the driver makes itself."""
    return record.kind in frozenset(Kind)


def as_task(record: Record) -> Task:
    """The task that a record is of."""
    return Task(Kind(record.kind), record.step, record.region)
