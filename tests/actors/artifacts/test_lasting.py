"""What is left out of a compacted journal is gone: a run goes on from it as from all of its batches."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from actors import drive as driving
from actors.artifacts.lasting import lasting
from actors.artifacts.resume import find_available
from actors.drive import StoppedError
from actors.schedule.coordinator import Coordinator
from actors.schedule.graph import Graph
from actors.schedule.patience import Patience
from actors.schedule.task import CONTRIBUTING, Kind, Outcome, Task
from storage import journal
from storage.ledger import Ledger, Record, driver_record
from storage.run import RunStore
from tests.support.runs import Case, digest, make_case, sit
from tests.support.tiny import small_plan


def record_of(task: Task) -> Record:
    return Record(
        kind=task.kind, stage=0, step=task.step, region=task.region, crc32c=1, attempt=0, worker="w", seconds=1.0
    )


@pytest.mark.parametrize("recipe", [{}, {"colour": "adain"}, {"dilated": 1.0, "keep_steps": 2}])
def test_records_last_as_long_as_what_they_tell_of(recipe: dict[str, object]) -> None:
    plan = small_plan(height=40, width=60, window=24, overlap=8, region=24, steps=3, **recipe)
    graph, luck = Graph(plan), random.Random(2)
    coordinator = Coordinator(graph, [], Patience(kept_steps=plan.recipe.run.keep_steps or 0))
    coordinator.join("w", frozenset(Kind))
    records, store = [driver_record("ingest")], set()
    num_lasting = []
    while not coordinator.done:
        for attempt in coordinator.assign(0.0):
            coordinator.finish("w", attempt.number, Outcome(seconds=1.0))
        finished = luck.sample(coordinator.uncommitted, luck.randint(0, len(coordinator.uncommitted)))
        records += [record_of(done.task) for done in finished]
        store |= {graph.product(done.task) for done in finished if done.task.kind not in CONTRIBUTING}
        coordinator.commit(finished)
        for _ in range(luck.randint(0, len(coordinator.items.garbage))):
            store.discard(coordinator.items.garbage.pop())
        mask = lasting(Ledger(records), coordinator.items)
        told = [graph.product(Task(Kind(one.kind), one.step, one.region)) in store for one in records[1:]]
        assert mask.tolist() == [True, *told]
        num_lasting.append(int(mask.sum()))
    assert num_lasting[-1] < max(num_lasting)


def test_records_of_nothing_in_the_plan_are_left_alone() -> None:
    graph = Graph(small_plan())
    strange = [Task(Kind.MERGE, 99, 0), Task(Kind.MERGE, 0, 10**6), Task(Kind.DECODE, 0, -1), Task(Kind.MERGE, 0, 0)]
    items = Coordinator(graph, [], Patience()).items
    assert lasting(Ledger(map(record_of, strange)), items).tolist() == [True, True, True, False]


@pytest.fixture(scope="module")
def case() -> Case:
    return make_case("analytic", height=75, width=125, solver="unipc", steps=4)


@pytest.mark.parametrize("turns", [12, 30])
def test_a_run_goes_on_from_a_compacted_journal(
    case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, turns: int
) -> None:
    whole = case.begin(str(tmp_path / "whole"))
    sit(case, whole)
    monkeypatch.setattr(journal, "MOST_BATCHES", 2)
    monkeypatch.setattr(driving, "TICK_SECONDS", -1.0)
    monkeypatch.setattr(driving, "JOURNAL_DELAY", 0.0)
    monkeypatch.setattr(driving, "HUNGRY_DELAY", 0.0)
    store, looks = case.begin(str(tmp_path / "run")), iter(range(1000))
    store.journal.expect(case.plan.hash)
    with pytest.raises(StoppedError):
        sit(case, store, should_stop=lambda: next(looks) >= turns)
    compacted = RunStore.open(store.url).journal.replay()
    segments = [key for key in store.root.list("journal") if "upto" in key]
    assert 0 < len(segments) <= 2
    kept = {key: store.root.get(key) for key in segments}
    for key in segments:
        store.root.delete(key)
    batches = RunStore.open(store.url).journal.replay()
    assert turns == 12 or len(compacted) < len(batches)
    graph = Graph(case.plan)
    found = find_available(store, case.plan, graph, compacted)
    assert found == find_available(store, case.plan, graph, batches)
    assert (found.num_damaged, bool(found.available)) == (0, True)
    for key, data in kept.items():
        store.root.put(key, data)
    again = RunStore.open(store.url)
    sit(case, again)
    assert digest(case, again) == digest(case, whole)
