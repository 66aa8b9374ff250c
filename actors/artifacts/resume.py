"""What a run's store holds that can be trusted: the journal's word, checked against the bytes.

Existence is not completion, and completion is not existence: a region counts when the journal says it is done, it is
there, and its checksum is the journal's. Everything else is deleted and made again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from actors.schedule.graph import Graph
from actors.schedule.marks import Marks
from actors.schedule.task import Item
from pipeline.plan.plan import Plan
from storage.arrays import RegionArray
from storage.errors import CorruptRegionError
from storage.ledger import Ledger, Record
from storage.run import RunStore
from storage.threads import read_all

from .bin import Bin
from .blobs import crc_of
from .table import Kept
from .told import ToldByItem, count_active

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What resume found."""

    available: Marks[Item]
    """items that can be built on"""
    num_deleted: int
    """regions that were there without a valid record, and are gone now"""
    num_damaged: int
    """of these, regions that the journal called done and whose bytes were not as recorded"""
    active: dict[int, tuple[int, ...]]
    """tiles at work in each step, by region, as its prepare task counted them"""


def find_available(
    store: RunStore,
    plan: Plan,
    graph: Graph,
    records: Sequence[Record],
    *,
    on_checked: Callable[[int, int], None] = lambda _done, _of: None,
    check: Callable[[], None] = lambda: None,
) -> Found:
    """Check what the journal says against what the store holds; see Found.

    ``on_checked`` is called now and then with how many items were read, and of how many; what it raises goes through.
    ``check`` is called before anything is deleted: it raises FencedError where a newer coordinator has taken over.
    """
    kept, bin_ = Kept(plan), Bin(store, check)
    ledger = records if isinstance(records, Ledger) else Ledger(records)
    told = ToldByItem(graph, kept, ledger)
    present = _present(store, graph, kept, told, bin_)
    num_damaged = 0
    verified: set[Item] = set()
    while True:
        read = graph.needs(present).items
        wanted = {item for item in present if item in read}
        bad = _damaged(store, sorted(wanted - verified), told, bin_, on_checked)
        verified |= wanted
        for item in bad:
            log.warning("%s is damaged or gone although the journal calls it done: it is made again", item)
            num_damaged += 1
            _throw_away(store, item, kept, bin_)
            present.discard(item)
        bin_.empty()
        if not bad:
            active = count_active(ledger)
            return Found(available=present, num_deleted=bin_.num_deleted, num_damaged=num_damaged, active=active)


def _present(store: RunStore, graph: Graph, kept: Kept, told: ToldByItem, bin_: Bin) -> Marks[Item]:
    """Journalled items whose regions exist; regions without a record are deleted."""
    present = graph.mark_items(told.blobs())
    for name, kind, step in sorted(kept.listed(beside=False)):
        array = store.open_array(name) if store.has_array(name) else None
        for region in () if array is None else array.regions():
            item = Item(kind, step, region)
            if item in told:
                present.add(item)
            elif array is not None:
                bin_.add(array, region)
    _sweep_companions(store, kept, present, bin_)
    bin_.empty()
    return present


def _sweep_companions(store: RunStore, kept: Kept, present: Marks[Item], bin_: Bin) -> None:
    """Delete what was written before the array that tells of an item, where the item is not there.

    It would be written again, and a write over damaged bytes is refused.
    """
    for name, kind, step in kept.listed(beside=True):
        array = store.open_array(name) if store.has_array(name) else None
        for region in () if array is None else array.regions():
            if array is not None and Item(kind, step, region) not in present:
                bin_.add(array, region)


def _throw_away(store: RunStore, item: Item, kept: Kept, bin_: Bin) -> None:
    for name in kept.names(item):
        if store.has_array(name):
            bin_.add(store.open_array(name), item.region)


def _damaged(
    store: RunStore,
    items: Sequence[Item],
    told: ToldByItem,
    bin_: Bin,
    on_checked: Callable[[int, int], None],
) -> list[Item]:
    """Those of the items whose bytes are not as recorded, in the items' order.

    A damaged blob that many items share counts for the first of them: made again, it is there for all. It is deleted.
    """
    intact = read_all(
        lambda item: _intact(store, item, told[item].arrays), items, between=lambda done: on_checked(done, len(items))
    )
    bad = {item for item, is_intact in zip(items, intact, strict=True) if not is_intact}
    sums: dict[str, tuple[int, Item]] = {}
    for item in items:
        for name, crc in told[item].blobs.items():
            sums.setdefault(name, (crc, item))
    names = sorted(sums)
    for name, stored in zip(names, read_all(lambda name: _blob_checksum(store, name), names), strict=True):
        if stored != sums[name][0]:
            bad.add(sums[name][1])
            bin_.add_blob(name)
    return [item for item in items if item in bad]


def _intact(store: RunStore, item: Item, arrays: dict[str, int]) -> bool:
    return all(_checksum(store.open_array(name), item.region) == crc for name, crc in arrays.items())


def _blob_checksum(store: RunStore, name: str) -> int | None:
    data = store.get_blob(name)
    return None if data is None else crc_of(data)


def _checksum(array: RegionArray, region: int) -> int | None:
    try:
        return array.crc(region)
    except CorruptRegionError:
        return None
