"""What a resume costs before the store is looked at: ``python -m benchmarks.resume_cost 10000000``.

A journal of about so many records of a run of 240,000 regions: prepared, encoded, then merged step by step, 1000 a
batch, compacted by the coordinator's own rule as it grew. In CPU seconds: the replay, what it tells of items, and a
coordinator that begins with what is there; what is read to check the store's bytes is not, nor is the making of the
journal. ``--whole`` replays the batches without the segments, as where these are lost. A line of JSON.
"""

from __future__ import annotations

import argparse
import json
import resource
import tempfile
import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from actors.artifacts.table import Kept
from actors.artifacts.told import ToldByItem
from actors.schedule.coordinator import Coordinator
from actors.schedule.graph import Graph
from actors.schedule.patience import Patience
from actors.schedule.task import Item, Kind
from benchmarks.graph_cost import make_plan
from storage.journal import Journal, Record
from storage.ledger import Ledger
from storage.objects import durable
from storage.objects.root import ObjectRoot

REGION_STEPS, BATCH = 12_000_000, 1000


def layers(steps: int) -> Iterator[tuple[Kind, int]]:
    yield Kind.ENCODE, 0
    yield from ((Kind.MERGE, step) for step in range(steps))


def write(journal: Journal, num: int, regions: int, steps: int) -> tuple[int, int]:
    """Journal so many records; returns how many there are, and the step whose latents are there."""
    done, order = 0, np.random.default_rng(0).permutation(regions).tolist()
    for kind, step in layers(steps):
        latest = step if kind is Kind.ENCODE else step + 1

        def last(ledger: Ledger, made: int = latest) -> np.ndarray:
            """Of the latents of one step and the one before, as a run that goes on keeps them."""
            columns = ledger.columns
            is_merge = np.array([one == Kind.MERGE for one in columns.texts["kind"]])[columns.codes["kind"]]
            lasts: np.ndarray = columns.numbers["step"] + is_merge >= made - 1
            return lasts

        for start in range(0, regions, BATCH):
            journal.append([_record(kind, step, region, done) for region in order[start : start + BATCH]], 1)
            done += len(order[start : start + BATCH])
            if journal.is_long:
                journal.compact(last)
        if done >= num:
            return done, latest
    return done, steps


def _record(kind: Kind, step: int, region: int, number: int) -> Record:
    return Record(
        kind=str(kind),
        stage=0,
        step=step,
        region=region,
        crc32c=(region * 2654435761 + step) % 2**32,
        attempt=2 * number,
        worker=f"worker-{region % 64}",
        seconds=round(0.5 + (region % 997) / 1000, 4),
    )


def resume(root: ObjectRoot, region_steps: int, latest: int) -> dict[str, Any]:
    started = time.process_time()
    journal = Journal(root)
    journal.expect("a" * 64)
    ledger = journal.replay()
    replayed = time.process_time()
    plan = make_plan(region_steps)
    graph = Graph(plan)
    told = ToldByItem(graph, Kept(plan), ledger)
    there = graph.mark_items(item for region in range(graph.num_regions) if (item := Item("z", latest, region)) in told)
    checked = sum(told[item].arrays[f"z/0/s{latest:04d}"] for item in there)
    looked = time.process_time()
    coordinator = Coordinator(graph, there, Patience())
    coordinator.join("w", frozenset(Kind))
    assert coordinator.assign(0.0)
    return {
        "records_read": len(ledger),
        "items": len(there),
        "replay_seconds": round(replayed - started, 2),
        "told_seconds": round(looked - replayed, 2),
        "begin_seconds": round(time.process_time() - looked, 2),
        "seconds": round(time.process_time() - started, 2),
        "sum": checked,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("records", type=int)
    parser.add_argument("--region-steps", type=int, default=REGION_STEPS)
    parser.add_argument("--whole", action="store_true")
    given = parser.parse_args()
    plan = make_plan(given.region_steps)
    with tempfile.TemporaryDirectory() as folder:
        root = ObjectRoot.open(f"{folder}/run")
        durable.os.fsync = lambda _descriptor: None  # what was written is not timed
        journal = Journal(root)
        journal.expect("a" * 64)
        journal.claim(1)
        num, latest = write(journal, given.records, plan.regions.num_regions, plan.num_steps)
        written = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        if given.whole:
            for key in [key for key in root.list("journal") if "upto" in key]:
                root.delete(key)
        row = resume(root, given.region_steps, latest)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps({"records": num, **row, "writer_peak_mb": written // 1024, "peak_mb": peak // 1024}))


if __name__ == "__main__":
    main()
