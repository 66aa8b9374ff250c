"""What the journal tells of items, against a plain dictionary of its records."""

from __future__ import annotations

import random

import pytest

from actors.artifacts.blobs import BLOBS
from actors.artifacts.table import Kept, blob_name
from actors.artifacts.told import ACTIVE, ToldByItem, count_active
from actors.schedule.graph import Graph
from actors.schedule.task import CONTRIBUTING, Item, Kind, Task
from storage.ledger import Ledger, Record, driver_record
from tests.support.tiny import small_plan

PLAN = small_plan(height=40, width=60, window=24, overlap=8, region=24, steps=3, colour="adain")
GRAPH = Graph(PLAN)


def records(seed: int) -> list[Record]:
    """Of all tasks, in no order, some of them twice."""
    rng = random.Random(seed)
    tasks = [task for task in GRAPH.needed(()) if task.kind not in CONTRIBUTING]
    told = rng.choices(tasks, k=len(tasks)) + rng.sample(tasks, 20)
    extras = ({}, {"history/s0001": 3}, {BLOBS: {"prompts/1.npz": 4}, ACTIVE: [1, 0, 2]})
    return [driver_record("ingest", extra={"array": "pixels"})] + [
        Record(
            kind=task.kind,
            stage=0,
            step=task.step,
            region=task.region,
            crc32c=rng.getrandbits(32),
            attempt=number,
            worker="w",
            seconds=0.5,
            extra=rng.choice(extras),
        )
        for number, task in enumerate(told)
    ]


@pytest.mark.parametrize("seed", range(4))
def test_the_last_record_of_an_item_counts(seed: int) -> None:
    listed = records(seed)
    last = {GRAPH.product(Task(Kind(one.kind), one.step, one.region)): one for one in listed[1:]}
    told = ToldByItem(GRAPH, Kept(PLAN), Ledger(listed))
    for item in {GRAPH.product(task) for task in GRAPH.needed(()) if task.kind not in CONTRIBUTING}:
        assert (item in told) == (item in last)
        if item in last:
            record, name = last[item], blob_name(item)
            own = {} if name else {Kept(PLAN).names(item)[0]: record.crc32c}
            beside = {key: value for key, value in record.extra.items() if key not in (BLOBS, ACTIVE)}
            assert told[item].arrays == own | beside
            assert told[item].blobs == ({name: record.crc32c} if name else {}) | record.extra.get(BLOBS, {})
    assert set(told.blobs()) == {item for item in last if blob_name(item)}
    active = {one.region: tuple(one.extra[ACTIVE]) for one in listed if ACTIVE in one.extra}
    assert count_active(Ledger(listed)) == active


def test_what_lies_beyond_the_plan_is_nobody_s() -> None:
    far = [
        Record(kind=kind, stage=0, step=step, region=region, crc32c=1, attempt=0, worker="w", seconds=0.0)
        for kind, step, region in (("merge", 77, 0), ("merge", 0, 10**9), ("decode", 0, -1), ("denoise", -3, 0))
    ]
    told = ToldByItem(GRAPH, Kept(PLAN), Ledger(far))
    assert Item("z", 78, 0) not in told
    assert not any(item in told for item in GRAPH.goals())
