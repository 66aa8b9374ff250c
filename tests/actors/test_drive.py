"""Who is let in, and who is sent away: a worker that would compute other bits, or cannot compute any more."""

from __future__ import annotations

import dataclasses
import functools
import itertools
from collections.abc import Callable, Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from actors.artifacts.layout import latent_name
from actors.drive import (
    GOLDEN_BLOB,
    MOST_DELETED,
    DrivenRun,
    StoppedError,
    WrongWorkerError,
    delete_leftovers,
)
from actors.executors.local import LocalExecutor
from actors.executors.protocol import Executor
from actors.schedule.attempt import Attempt, Finished
from actors.schedule.coordinator import Coordinator, TaskFailedError
from actors.schedule.graph import Graph
from actors.schedule.patience import Patience
from actors.schedule.task import CONTRIBUTING, Hello, Item, Kind
from actors.stopping import CalledOffError
from actors.work.building import WorkerSetup, build_worker
from actors.work.worker import Worker
from storage.arrays import RegionArray
from storage.errors import FencedError, NotFiniteError, StorageFullError
from storage.journal import Journal, Record
from storage.lease import Lease, ask_to_stop
from storage.run import RunStore
from tests.support.crew import Crew
from tests.support.runs import Case, digest, make_case, sit


@pytest.fixture
def case() -> Case:
    return make_case("analytic", height=30, width=40)


@pytest.fixture
def wide() -> Case:
    """More regions than one."""
    return make_case("analytic", height=75, width=125, region=48)


@pytest.fixture
def crews() -> list[Crew]:
    """Those that a test has called."""
    return []


def call(crews: list[Crew], size: int, **given: Any) -> Callable[[WorkerSetup, Graph], Executor]:
    def start(setup: WorkerSetup, _graph: Graph) -> Executor:
        crews.append(Crew(build_worker(setup), size, **given))
        return crews[-1]

    return start


def sit_with(case: Case, store: RunStore, monkeypatch: pytest.MonkeyPatch, **changes: object) -> None:
    """A run whose only worker says something else of itself."""
    hello = Worker.hello

    def altered(self: Worker) -> Hello:
        return dataclasses.replace(hello(self), **changes)  # type: ignore[arg-type]

    monkeypatch.setattr(Worker, "hello", altered)
    sit(case, store, lambda setup, _graph: LocalExecutor(build_worker(setup)))


def test_another_device_is_refused(case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = {"kind": "cuda", "name": "another GPU", "threads": 1}
    with pytest.raises(WrongWorkerError, match="another GPU"):
        sit_with(case, case.begin(str(tmp_path / "run")), monkeypatch, device=other)


def test_other_packages_are_refused(case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(WrongWorkerError, match=r"0\.0\.1"):
        sit_with(case, case.begin(str(tmp_path / "run")), monkeypatch, versions={"torch": "0.0.1"})


def test_a_model_that_gives_no_numbers_is_refused(case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own words are the one line; another worker's copy may be sound, so it is told and not raised."""
    store = case.begin(str(tmp_path / "run"))
    monkeypatch.setattr(
        "pipeline.models.families.analytic.AnalyticBackbone.predict", lambda _self, latents, *_: latents * float("nan")
    )
    with pytest.raises(WrongWorkerError, match=r"the denoiser gave NaN in .* for a fixed input"):
        sit(case, store)
    assert store.get_blob(GOLDEN_BLOB) is None


def test_nan_in_a_task_names_the_task(case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    decode = "pipeline.models.families.analytic.AnalyticBackbone.decode"
    monkeypatch.setattr(decode, lambda _self, latents: latents[:, :3] * float("nan"))
    with pytest.raises(NotFiniteError, match=r"^decode\(step 0, region 0\): the autoencoder's decoder gave NaN"):
        sit(case, case.begin(str(tmp_path / "run")))


def test_another_golden_prediction_is_refused(case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first worker of a run sets it; who predicts other bits with the same device and packages is out."""
    store = case.begin(str(tmp_path / "run"))
    sit(case, store)
    assert store.get_blob(GOLDEN_BLOB) is not None
    expected = digest(case, store)
    store.open_array("out").delete(0)
    with pytest.raises(WrongWorkerError, match="other bits"):
        sit_with(case, store, monkeypatch, golden=1)
    monkeypatch.undo()
    sit(case, store)
    assert digest(case, store) == expected


class Clock:
    """Stands in for the module ``time``: a look at it takes ``step`` seconds, and nothing else does."""

    def __init__(self, step: float) -> None:
        self.step, self.now = step, 0.0

    def monotonic(self) -> float:
        self.now += self.step
        return self.now


# entries of the journal after every task, after some, and when nothing runs: what is in two hands differs
@pytest.mark.parametrize("step", [1.0, 0.01])
def test_what_late_attempts_make_is_dropped(
    wide: Case, tmp_path: Path, crews: list[Crew], monkeypatch: pytest.MonkeyPatch, step: float
) -> None:
    """Every task is late at once here, and given to both workers where it can be."""
    monkeypatch.setattr(Crew, "kill", lambda *_: None)
    monkeypatch.setattr("actors.drive.time", Clock(step))
    patience = Patience(lease_first=0.0, lease_floor=0.0, lease_factor=1e-9, in_flight=1)
    sit(wide, wide.begin(str(tmp_path / "run")), call(crews, 2), patience=patience)
    assert any(attempt.task.kind in CONTRIBUTING for attempt in crews[0].discarded)
    assert not crews[0].made


def test_what_a_killed_sitting_left_is_deleted(wide: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed between its last entry in the journal and its deletions."""
    store = wide.begin(str(tmp_path / "run"))
    monkeypatch.setattr("actors.drive._delete", lambda *_: None)
    sit(wide, store)
    latents = [store.open_array(latent_name(step)) for step in range(wide.plan.num_steps + 1)]
    assert all(array.regions() for array in latents)
    monkeypatch.undo()
    sit(wide, store)
    assert not any(array.regions() for array in latents)


def test_idle_workers_do_not_cost_an_entry_a_task(
    wide: Case, tmp_path: Path, crews: list[Crew], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tasks share entries of the journal while anything runs, and are never waited for when nothing does."""
    for name in ("HUNGRY_DELAY", "JOURNAL_DELAY"):
        monkeypatch.setattr(f"actors.drive.{name}", 1e9)
    store = wide.begin(str(tmp_path / "run"))
    sit(wide, store, call(crews, 40))
    num_entries = sum(1 for entry in (tmp_path / "run" / "journal").iterdir() if entry.name.isdigit())
    assert 0 < num_entries < len(store.journal.replay()) / 2


def away(inner: Callable[..., Any], calls: range, error: Exception, seen: list[int]) -> Callable[..., Any]:
    """``inner``, but for the calls of these numbers, which raise; ``seen`` grows by one a call."""

    def call(*words: Any) -> Any:
        seen.append(len(seen))
        if seen[-1] in calls:
            raise error
        return inner(*words)

    return call


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("actors.drive.TICK_SECONDS", 0.0)
    monkeypatch.setattr("actors.drive.RETRY_SECONDS", 0.0)


@pytest.mark.usefixtures("often")
def test_a_store_that_is_away_for_a_while_ends_nothing(
    wide: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Heartbeats, reports and deletions are tried again; all garbage is gone in the end."""
    store, gone, ticks = wide.begin(str(tmp_path / "run")), OSError("no route to host"), []
    tick = away(lambda _tally: None, range(3), gone, ticks)
    monkeypatch.setattr(RegionArray, "delete", away(RegionArray.delete, range(3), gone, []))
    monkeypatch.setattr(Lease, "beat", away(Lease.beat, range(1, 4), gone, []))  # 0: it is taken
    monkeypatch.setattr("tests.support.runs.DrivenRun", functools.partial(DrivenRun, on_tick=tick))
    sit(wide, store)
    assert len(ticks) > 3
    assert not any(store.open_array(latent_name(step)).regions() for step in range(wide.plan.num_steps + 1))
    assert sum("has to wait: no route to host" in record.getMessage() for record in caplog.records) == 9


@pytest.mark.usefixtures("often")
@pytest.mark.parametrize("error", [FencedError("another took over"), StorageFullError("no room")])
def test_a_lost_lease_and_a_full_disk_end_the_run(
    case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    monkeypatch.setattr(Lease, "beat", away(Lease.beat, range(1, 2), error, []))
    with pytest.raises(type(error), match=str(error)):
        sit(case, case.begin(str(tmp_path / "run")))


OTHER = {"device": {"kind": "cuda", "name": "another GPU", "threads": 1}}


@pytest.mark.parametrize("wrong", [("w0",), ("w0", "w1"), ("w2",)])
def test_a_wrong_worker_ends_nothing_where_others_come(
    wide: Case, tmp_path: Path, crews: list[Crew], wrong: tuple[str, ...]
) -> None:
    """Whoever says hello first."""
    sit(wide, wide.begin(str(tmp_path / "run")), call(crews, 3, hellos=dict.fromkeys(wrong, OTHER)))
    assert crews[0].refused == list(wrong)


def test_wrong_workers_alone_end_the_run(case: Case, tmp_path: Path, crews: list[Crew]) -> None:
    with pytest.raises(WrongWorkerError, match=r"the plan is bound to .* is .*another GPU.*use the same device"):
        sit(case, case.begin(str(tmp_path / "run")), call(crews, 3, hellos=dict.fromkeys(("w0", "w1", "w2"), OTHER)))
    assert crews[0].refused == ["w0", "w1", "w2"]


@pytest.mark.parametrize("renews", [False, True])
def test_one_broken_worker_does_not_end_the_run(wide: Case, tmp_path: Path, crews: list[Crew], renews: bool) -> None:
    """It raises at once, so it is free first; its tasks go to others, and it is replaced where that can be."""
    oracle, store = wide.begin(str(tmp_path / "oracle")), wide.begin(str(tmp_path / "run"))
    sit(wide, oracle)

    def fails(attempt: Attempt) -> str | None:
        return "sticky error" if attempt.worker == "w0" else None

    tally = sit(wide, store, call(crews, 3, fails=fails, renews=renews))
    assert digest(wide, store) == digest(wide, oracle)
    assert crews[0].renewed == (["w0"] if renews else [])
    assert tally.requeues["task failed"] == 1 if renews else tally.requeues["task failed"] > 3


@pytest.mark.parametrize("size", [1, 2, 5])
@pytest.mark.parametrize("renews", [False, True])
def test_a_task_that_fails_everywhere_ends_the_run(
    wide: Case, tmp_path: Path, crews: list[Crew], size: int, renews: bool
) -> None:
    tried: list[str] = []

    def fails(attempt: Attempt) -> str | None:
        if attempt.task != (Kind.DENOISE, 1, 0):
            return None
        tried.append(attempt.worker)
        return "bad input"

    with pytest.raises(TaskFailedError, match=r"denoise\(step 1, region 0\) failed 3 times, last on .*: bad input"):
        sit(wide, wide.begin(str(tmp_path / "run")), call(crews, size, fails=fails, renews=renews))
    assert len(tried) == 3
    assert len(set(tried)) == (3 if renews or size > 2 else size)
    assert crews[0].renewed == (tried[:2] if renews else [])


class Shelf:
    """A store that deletes all but some regions, and notes what happens."""

    def __init__(self, stuck: set[int] = frozenset()) -> None:  # type: ignore[assignment]
        self.stuck, self.notes = stuck, []

    def open_array(self, name: str) -> Any:
        return SimpleNamespace(delete=lambda region: self._delete(name, region))

    def _delete(self, name: str, region: int) -> None:
        if region in self.stuck:
            raise OSError("away")
        self.notes.append((name, region))

    def check(self) -> None:
        self.notes.append("lease")


def leftovers(shelf: Shelf, garbage: list[Item], case: Case) -> None:
    coordinator: Any = SimpleNamespace(items=SimpleNamespace(garbage=garbage))
    store: Any = shelf
    lease: Any = SimpleNamespace(check=shelf.check)
    delete_leftovers(store, case.plan, coordinator, lease)


def test_what_the_store_refuses_to_delete_stays_on_the_list(case: Case) -> None:
    """The last first; what is gone is off the list at once, and the rest is tried another time."""
    garbage, shelf = [Item("z", 1, region) for region in range(5)], Shelf({2})
    leftovers(shelf, garbage, case)
    assert garbage == [Item("z", 1, region) for region in range(3)]
    assert shelf.notes == ["lease", ("z/0/s0001", 4), ("z/0/s0001", 3)]
    shelf.stuck.clear()
    leftovers(shelf, garbage, case)
    assert garbage == []


def test_nothing_is_deleted_without_a_look_at_the_lease(case: Case) -> None:
    """Before the first, and again after each so many."""
    count = 2 * MOST_DELETED + 1
    garbage, shelf = [Item("z", 0, region) for region in range(count)], Shelf()
    leftovers(shelf, garbage, case)
    looks = [number for number, note in enumerate(shelf.notes) if note == "lease"]
    assert looks == [0, MOST_DELETED + 1, 2 * MOST_DELETED + 2]
    assert len(shelf.notes) == count + 3

    class Fenced(Shelf):
        def check(self) -> None:
            raise FencedError("taken over")

    fenced, kept = Fenced(), [Item("z", 0, 1)]
    with pytest.raises(FencedError):
        leftovers(fenced, kept, case)
    assert (kept, fenced.notes) == ([Item("z", 0, 1)], [])


def test_a_run_that_is_asked_to_stop_stops_with_all_that_is_finished_in_its_journal(
    wide: Case, tmp_path: Path, crews: list[Crew], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last entry is written as it ends, before the executor is closed."""
    order: list[str] = []
    close, append = Crew.close, Journal.append

    def closing(self: Crew) -> None:
        order.append("closed")
        close(self)

    def appending(self: Journal, records: list[Record], generation: int) -> None:
        order.extend(record.kind for record in records)
        append(self, records, generation)

    monkeypatch.setattr(Crew, "close", closing)
    monkeypatch.setattr(Journal, "append", appending)
    for name in ("HUNGRY_DELAY", "JOURNAL_DELAY"):
        monkeypatch.setattr(f"actors.drive.{name}", 1e9)
    store = wide.begin(str(tmp_path / "run"))
    turns = itertools.count()
    with pytest.raises(StoppedError):
        sit(wide, store, call(crews, 2), should_stop=lambda: next(turns) >= 3)
    assert order == ["golden", "prepare", "prepare", "closed"]


def test_what_is_committed_is_in_the_journal_already(
    case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of all that a crash may lose, nothing has been built on."""
    told: set[tuple[str, int, int]] = set()
    append, commit, committed = Journal.append, Coordinator.commit, set[tuple[str, int, int]]()

    def noting(self: Journal, records: list[Record], *rest: Any) -> None:
        append(self, records, *rest)
        told.update((one.kind, one.step, one.region) for one in records)

    def checking(self: Coordinator, finished: Iterable[Finished]) -> None:
        those = list(finished)
        names = {(str(one.task.kind), one.task.step, one.task.region) for one in those}
        assert names <= told
        committed.update(names)
        commit(self, those)

    monkeypatch.setattr(Journal, "append", noting)
    monkeypatch.setattr(Coordinator, "commit", checking)
    store = case.begin(str(tmp_path / "run"))
    sit(case, store)
    assert ("decode", 0, 0) in committed
    assert committed == {one for one in told if one[0] in frozenset(Kind)}


def test_who_waits_for_records_hears_of_those_that_the_journal_holds(case: Case, tmp_path: Path) -> None:
    store, heard = case.begin(str(tmp_path / "run")), list[Record]()

    def hear(records: list[Record]) -> None:
        held = store.journal.replay()
        assert all(record in held for record in records)
        heard.extend(records)

    sit(case, store, on_recorded=hear)
    tasks = [record for record in store.journal.replay() if record.kind in frozenset(Kind)]
    assert heard == tasks
    assert str(Kind.DECODE) in {record.kind for record in heard}


def test_a_run_that_is_called_off_ends_in_good_order(
    wide: Case, crews: list[Crew], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is finished is journalled, and the run goes on from there."""
    store, turns = wide.begin(str(tmp_path / "run")), itertools.count()
    monkeypatch.setattr("actors.drive.TICK_SECONDS", -1.0)  # every turn beats

    def tick() -> bool:
        if next(turns) == 3:
            ask_to_stop(store.root, 1, "ann@desk")
        return False

    with pytest.raises(CalledOffError, match="asked to stop by ann@desk at "):
        sit(wide, store, call(crews, 1), should_stop=tick)
    assert next(turns) == 5, "at the next heartbeat"
    before = len(store.journal.replay())
    assert before > 1
    sit(wide, store)
    assert len(store.journal.replay()) > before
