"""Which records the journal still needs: all but those of items that were made, read and deleted."""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from actors.schedule.items import Items
from actors.schedule.task import Kind, Task
from storage.journal import Journal
from storage.ledger import Ledger


def lasting(ledger: Ledger, items: Items) -> np.ndarray:
    """bool, one a record. What waits to be deleted is still there, and the driver's own records are of no item."""
    graph, lasts = items.graph, np.ones(len(ledger), bool)
    waiting: dict[tuple[str, int], list[int]] = defaultdict(list)
    for item in items.garbage:
        waiting[item.kind, item.step].append(item.region)
    for kind, step, regions, rows in ledger.layers():
        if kind in frozenset(Kind) and (places := graph.places(item := graph.product(Task(Kind(kind), step, 0)))):
            there = items.available.layer(item.kind, item.step).ravel()
            there[waiting[item.kind, item.step]] = True
            known = (regions >= 0) & (regions < places)
            lasts[rows[known]] = there[regions[known]]
    return lasts


def compact(journal: Journal, items: Items) -> None:
    """Compact a journal that has grown long. Raises what Journal.replay does, and OSError."""
    if journal.is_long:
        journal.compact(lambda ledger: lasting(ledger, items))
