"""What a run's store holds that can be trusted: the journal's word, checked against the bytes.

Existence is not completion, and completion is not existence: a region counts when the journal says it is done, it is
there, and its checksum is the journal's. Everything else is deleted and made again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from actors.schedule.graph import PROMPTS, Graph
from actors.schedule.task import Item
from pipeline.plan.plan import Plan
from pipeline.tasks.prompt_table import CHANNELS as PROMPT_CHANNELS
from pipeline.tasks.prompt_table import prompt_grid
from storage.arrays import RegionArray
from storage.errors import CorruptRegionError
from storage.journal import Record
from storage.run import RunStore
from storage.threads import read_all

from .bin import Bin
from .blobs import BLOBS, crc_of
from .layout import COARSE, DIFFICULTY, OUT, PROMPT_BLOB, history_name, latent_name, statistics_blob
from .prompts import PROMPTS_ARRAY
from .reductions import create_moments, moments_name
from .sums import as_task, blob_sums, is_task
from .words import create_words, words_name

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What resume found."""

    available: set[Item]
    """items that can be built on"""
    num_deleted: int
    """regions that were there without a valid record, and are gone now"""
    num_damaged: int
    """of these, regions that the journal called done and whose bytes were not as recorded"""
    active: dict[int, tuple[int, ...]]
    """tiles at work in each step, by region, as its prepare task counted them"""


ACTIVE = "active"
"""what the journal calls a region's active tiles, among checksums by array name"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What the journal tells of an item."""

    arrays: dict[str, int]
    """crc32c of its regions, by array"""
    blobs: dict[str, int]
    """crc32c of its blobs, and of those that it shares, by name"""


Beside = Callable[[int], list[str]]
"""names of the arrays that are kept beside z of a step"""


def kept_beside(plan: Plan) -> Beside:
    """The solver's history, and the maps of attention to words, where a plan has them."""
    has_history, has_words = plan.solver().num_history > 0, plan.recipe.prompts.collect_words

    def beside(step: int) -> list[str]:
        history = [history_name(step)] if has_history and 0 < step < plan.num_steps else []
        return [*history, *([words_name(step)] if has_words and step > 0 else [])]

    return beside


def array_names(item: Item, beside: Beside) -> list[str]:
    """The arrays whose regions make up an item, the last one written first; some recipes lack some of them."""
    if item.kind == "z":
        return [latent_name(item.step), *beside(item.step)]
    if item.kind == "moments":
        return [moments_name(item.step)]
    return {"coarse": [COARSE, DIFFICULTY, PROMPTS_ARRAY], "out": [OUT]}.get(item.kind, [])


def blob_name(item: Item) -> str | None:
    """The blob that an item is; None for one in arrays."""
    if item.kind == "statistics":
        return statistics_blob(item.step)
    return PROMPT_BLOB if item == PROMPTS else None


def create_arrays(store: RunStore, plan: Plan, graph: Graph) -> None:
    """Create every array's metadata before any worker starts; workers only ever write whole regions."""
    channels, solver = plan.geometry.channels, plan.solver()
    for step in range(plan.num_steps + 1):
        store.array(latent_name(step), channels=channels, grid=plan.regions, dtype="float32")
        if solver.num_history and 0 < step < plan.num_steps:
            name = history_name(step)
            store.array(name, channels=channels * solver.num_history, grid=plan.regions, dtype="float32")
    create_words(store, plan)
    if plan.uses_coarse:
        store.array(COARSE, channels=channels, grid=plan.regions, dtype="float32")
    if plan.has_difficulty:
        store.array(DIFFICULTY, channels=1, grid=plan.regions, dtype="float32")
    create_moments(store, plan)
    if plan.recipe.prompts.source != "global":
        store.array(PROMPTS_ARRAY, channels=PROMPT_CHANNELS, grid=prompt_grid(plan), dtype="uint64", compress=True)
    store.array(OUT, channels=plan.image.num_bands, grid=plan.out_regions, dtype=plan.image.dtype, compress=True)


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
    told = _told(graph, records)
    beside, bin_ = kept_beside(plan), Bin(store, check)
    present = _present(store, plan, graph, told, beside, bin_)
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
            _throw_away(store, item, beside, bin_)
            present.discard(item)
        bin_.empty()
        if not bad:
            active = _active(records)
            return Found(available=present, num_deleted=bin_.num_deleted, num_damaged=num_damaged, active=active)


def _told(graph: Graph, records: Iterable[Record]) -> dict[Item, Told]:
    """What the journal tells of each item; a later record of the same item wins."""
    told: dict[Item, Told] = {}
    for record in filter(is_task, records):
        task = as_task(record)
        item = graph.product(task)
        own = {} if blob_name(item) else {array_names(item, lambda _step: [])[0]: record.crc32c}
        beside = {key: value for key, value in record.extra.items() if key not in (ACTIVE, BLOBS)}
        told[item] = Told(arrays=own | beside, blobs=blob_sums(task, record.crc32c, record.extra))
    return told


def _active(records: Iterable[Record]) -> dict[int, tuple[int, ...]]:
    return {record.region: tuple(record.extra[ACTIVE]) for record in records if ACTIVE in record.extra}


def _present(store: RunStore, plan: Plan, graph: Graph, told: dict[Item, Told], beside: Beside, bin_: Bin) -> set[Item]:
    """Journalled items whose regions exist; regions without a record are deleted."""
    present = {item for item in told if blob_name(item)}
    names = {(COARSE, "coarse", 0), (OUT, "out", 0)}
    names |= {(latent_name(step), "z", step) for step in range(plan.num_steps + 1)}
    names |= {(moments_name(k), "moments", k) for k in range(len(graph.reductions))}
    for name, kind, step in sorted(names):
        if not store.has_array(name):
            continue
        for region in store.open_array(name).regions():
            item = Item(kind, step, region)
            if item in told:
                present.add(item)
            else:
                _throw_away(store, item, beside, bin_)
    _sweep_companions(store, plan, present, beside, bin_)
    bin_.empty()
    return present


def _sweep_companions(store: RunStore, plan: Plan, present: set[Item], beside: Beside, bin_: Bin) -> None:
    """Delete what was written before the array that tells of an item, where the item is not there.

    It would be written again, and a write over damaged bytes is refused.
    """
    companions = [(DIFFICULTY, "coarse", 0), (PROMPTS_ARRAY, "coarse", 0)]
    companions += [(name, "z", step) for step in range(plan.num_steps + 1) for name in beside(step)]
    for name, kind, step in companions:
        if not store.has_array(name):
            continue
        array = store.open_array(name)
        for region in array.regions():
            if Item(kind, step, region) not in present:
                bin_.add(array, region)


def _throw_away(store: RunStore, item: Item, beside: Beside, bin_: Bin) -> None:
    for name in array_names(item, beside):
        if store.has_array(name):
            bin_.add(store.open_array(name), item.region)


def _damaged(
    store: RunStore,
    items: Sequence[Item],
    told: dict[Item, Told],
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
    for name, found in zip(names, read_all(lambda name: _blob_checksum(store, name), names), strict=True):
        if found != sums[name][0]:
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
