"""What a run's store holds that can be trusted: the journal's word, checked against the bytes.

Existence is not completion, and completion is not existence: a region counts when the journal says it is done, it is
there, and its checksum is the journal's. Everything else is deleted and made again.
"""

from __future__ import annotations

import io
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import google_crc32c
import numpy as np

from pipeline.plan import Plan
from pipeline.prompt_table import CHANNELS as PROMPT_CHANNELS
from pipeline.prompt_table import prompt_grid
from storage.arrays import RegionArray
from storage.errors import CorruptRegionError
from storage.journal import Record
from storage.run import RunStore
from storage.threads import read_all

from .graph import PROMPTS, Graph
from .names import COARSE, DIFFICULTY, OUT, PROMPT_BLOB, history_name, latent_name
from .prompts import PROMPTS_ARRAY
from .reductions import create_moments, moments_name, statistics_blob
from .task import Item, Kind, Task
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


Beside = Callable[[int], list[str]]
"""names of the arrays that are kept beside z of a step"""


def kept_beside(plan: Plan) -> Beside:
    """The solver's history, and the maps of attention to words, where a plan has them."""
    has_history, has_words = plan.solver().num_history > 0, plan.recipe.collect_words

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
    if graph.uses_coarse:
        store.array(COARSE, channels=channels, grid=plan.regions, dtype="float32")
    if plan.has_difficulty:
        store.array(DIFFICULTY, channels=1, grid=plan.regions, dtype="float32")
    create_moments(store, plan)
    if plan.recipe.prompts != "global":
        store.array(PROMPTS_ARRAY, channels=PROMPT_CHANNELS, grid=prompt_grid(plan), dtype="uint64", compress=True)
    store.array(OUT, channels=plan.image.num_bands, grid=plan.out_regions, dtype=plan.image.dtype, compress=True)


def find_available(
    store: RunStore,
    plan: Plan,
    graph: Graph,
    records: Sequence[Record],
    *,
    on_checked: Callable[[int, int], None] = lambda _done, _of: None,
) -> Found:
    """Check what the journal says against what the store holds; see Found.

    ``on_checked`` is called now and then with how many items were read, and of how many; what it raises goes through.
    """
    checksums = _checksums(graph, records)
    beside = kept_beside(plan)
    present, num_deleted = _present(store, plan, graph, checksums, beside)
    num_damaged, goals = 0, graph.goals()
    verified: set[Item] = set()
    while True:
        wanted = {item for task in graph.needed(present) for item in graph.inputs(task)} & present
        wanted |= present.intersection(goals)
        bad = _damaged(store, sorted(wanted - verified), checksums, on_checked)
        verified |= wanted
        if not bad:
            return Found(available=present, num_deleted=num_deleted, num_damaged=num_damaged, active=_active(records))
        for item in bad:
            log.warning("%s is damaged or gone although the journal calls it done: it is made again", item)
            num_damaged += 1
            num_deleted += _delete(store, item, beside)
            present.discard(item)


def _checksums(graph: Graph, records: Iterable[Record]) -> dict[Item, dict[str, int]]:
    """The journalled checksums of each item, by array name; a later record of the same item wins."""
    checksums: dict[Item, dict[str, int]] = {}
    kinds = set(Kind)
    for record in records:
        if record.kind not in kinds:
            continue
        item = graph.product(Task(Kind(record.kind), record.step, record.region))
        name = blob_name(item) or array_names(item, lambda _step: [])[0]
        extra = {key: value for key, value in record.extra.items() if key != ACTIVE}
        checksums[item] = {name: record.crc32c, **extra}
    return checksums


def _active(records: Iterable[Record]) -> dict[int, tuple[int, ...]]:
    return {record.region: tuple(record.extra[ACTIVE]) for record in records if ACTIVE in record.extra}


def _present(
    store: RunStore, plan: Plan, graph: Graph, checksums: dict[Item, dict[str, int]], beside: Beside
) -> tuple[set[Item], int]:
    """Journalled items whose regions exist; regions without a record are deleted."""
    present, num_deleted = {item for item in checksums if blob_name(item)}, 0
    names = {(COARSE, "coarse", 0), (OUT, "out", 0)}
    names |= {(latent_name(step), "z", step) for step in range(plan.num_steps + 1)}
    names |= {(moments_name(k), "moments", k) for k in range(len(graph.reductions))}
    for name, kind, step in sorted(names):
        if not store.has_array(name):
            continue
        for region in store.open_array(name).regions():
            item = Item(kind, step, region)
            if item in checksums:
                present.add(item)
            else:
                num_deleted += _delete(store, item, beside)
    return present, num_deleted + _sweep_companions(store, plan, present, beside)


def _sweep_companions(store: RunStore, plan: Plan, present: set[Item], beside: Beside) -> int:
    """Delete what was written before the array that tells of an item, where the item is not there.

    It would be written again, and a write over damaged bytes is refused.
    """
    companions = [(DIFFICULTY, "coarse", 0), (PROMPTS_ARRAY, "coarse", 0)]
    companions += [(name, "z", step) for step in range(plan.num_steps + 1) for name in beside(step)]
    num_deleted = 0
    for name, kind, step in companions:
        if not store.has_array(name):
            continue
        array = store.open_array(name)
        for region in array.regions():
            if Item(kind, step, region) not in present:
                array.delete(region)
                num_deleted += 1
    return num_deleted


def _delete(store: RunStore, item: Item, beside: Beside) -> int:
    names = [name for name in array_names(item, beside) if store.has_array(name)]
    for name in names:
        store.open_array(name).delete(item.region)
    return len(names)


def _damaged(
    store: RunStore,
    items: Sequence[Item],
    checksums: dict[Item, dict[str, int]],
    on_checked: Callable[[int, int], None],
) -> list[Item]:
    """Those of the items whose bytes are not as recorded, in the items' order."""
    intact = read_all(
        lambda item: _intact(store, item, checksums[item]), items, between=lambda done: on_checked(done, len(items))
    )
    return [item for item, is_intact in zip(items, intact, strict=True) if not is_intact]


def _intact(store: RunStore, item: Item, checksums: dict[str, int]) -> bool:
    if (name := blob_name(item)) is not None:
        data = store.get_blob(name)
        return data is not None and google_crc32c.value(data) == checksums[name] and _is_table(data)
    return all(_checksum(store.open_array(name), item.region) == crc for name, crc in checksums.items())


def _is_table(data: bytes) -> bool:
    with np.load(io.BytesIO(data)) as table:
        return len(table.files) > 0


def _checksum(array: RegionArray, region: int) -> int | None:
    try:
        return array.crc(region)
    except CorruptRegionError:
        return None
