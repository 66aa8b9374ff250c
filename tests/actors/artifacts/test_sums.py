"""What the journal tells of blobs: each task may trust the checksums of what it reads, and of nothing else."""

from __future__ import annotations

from actors.artifacts.blobs import BLOBS
from actors.artifacts.layout import PROMPT_BLOB
from actors.artifacts.sums import JournalledSums, as_task, blob_sums, is_task, record_sums
from actors.schedule.graph import Graph
from actors.schedule.task import Kind, Task
from storage.journal import Record
from tests.support.tiny import small_plan


def record(kind: str, crc32c: int, region: int = 0, **extra: object) -> Record:
    return Record(
        kind=kind, stage=0, step=0, region=region, attempt=1, worker="w", crc32c=crc32c, seconds=0.0, extra=dict(extra)
    )


def test_a_tasks_own_blob_and_those_that_it_found() -> None:
    assert blob_sums(Task(Kind.EMBED, 0, 0), 7, {}) == {PROMPT_BLOB: 7}
    assert blob_sums(Task(Kind.EMBED, 0, 0), 7, {BLOBS: {"tags": 8}}) == {PROMPT_BLOB: 7, "tags": 8}
    # arrays' checksums are none of a blob's
    assert blob_sums(Task(Kind.PREPARE, 0, 1), 7, {"cond/difficulty": 9}) == {}


def test_records_of_passes_that_are_no_tasks_are_passed_over() -> None:
    tell = [record("ingest", 1), record("embed", 2), record("prepare", 3, region=4, blobs={"a": 5, "b": 6})]
    assert [is_task(one) for one in tell] == [False, True, True]
    assert as_task(tell[2]) == Task(Kind.PREPARE, 0, 4)
    assert record_sums(tell) == {PROMPT_BLOB: 2, "a": 5, "b": 6}


def test_the_last_record_that_names_a_blob_counts() -> None:
    assert record_sums([record("embed", 2), record("embed", 9)]) == {PROMPT_BLOB: 9}


def test_a_task_is_told_what_it_reads_and_what_the_driver_put_there() -> None:
    plan = small_plan()
    graph = Graph(plan)
    sums = JournalledSums(graph, {"cond/textures.npz": 1})
    sums.add(Task(Kind.EMBED, 0, 0), 2, {})
    sums.add(Task(Kind.PREPARE, 0, 0), 0, {BLOBS: {"of region 0": 3}})
    sums.add(Task(Kind.PREPARE, 0, 1), 0, {BLOBS: {"of region 1": 4}})
    denoise = next(Task(Kind.DENOISE, 0, region) for region in (0,) if plan.tiles.owned_by(plan.regions.box(region)))
    told = sums.of(denoise)
    assert told["cond/textures.npz"] == 1
    assert told["of region 0"] == 3
    last = Task(Kind.DECODE, 0, plan.regions.num_regions - 1)
    assert sums.of(last) == {"cond/textures.npz": 1}
