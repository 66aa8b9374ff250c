"""The power goes before or after any write, entry, commit or deletion of one small run: nothing committed is lost.

What was put into the store without being durable may be gone then, too; whoever resumes gets the same bytes, and makes
nothing again that the run counted as done.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from actors import drive as driving
from actors.drive import StoppedError
from actors.executors.local import LocalExecutor
from actors.schedule.coordinator import Coordinator
from actors.schedule.task import CONTRIBUTING, Kind, Task
from storage import lease as leasing
from storage.arrays import RegionArray
from storage.journal import Journal, Record
from storage.objects import durable
from storage.objects.root import ObjectRoot
from storage.run import RunStore
from tests.support.runs import Case, digest, make_case, sit

KINDS = frozenset(Kind)


class PowerCutError(BaseException):
    """Nothing of the process goes on after it."""


class Machine:
    """Counts what a run does to its store and to its own books, and ends it before or after one of these."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, cut_at: int | None = None) -> None:
        self.moments: list[str] = []
        self.cut_at = cut_at
        self.committed: set[Task] = set()
        self.unsure: set[str] = set()
        """keys that a power cut may lose"""
        self._monkeypatch = monkeypatch
        for name in ("put_new", "put", "delete"):
            self._around(ObjectRoot, name, lambda _root, key, *_, **__: key)
        self._around(RegionArray, "write", lambda array, region, _data: f"{array.name}/{region}")
        self._around(Journal, "append", lambda _journal, records, _generation: f"{len(records)} records")
        self._around(Coordinator, "commit", lambda _coordinator, finished: f"{len(finished)} tasks")

    def _around(self, owner: type, name: str, describe: Callable[..., str]) -> None:
        inner = getattr(owner, name)

        def watched(*args: Any, **options: Any) -> Any:
            what = f"{name} {describe(*args, **options)}"
            self._at(f"before {what}")
            if name in ("put", "put_new") and not options.get("durable"):
                self.unsure.add(args[1])
            if name == "commit":
                self.committed.update(one.task for one in args[1])
            found = inner(*args, **options)
            self._at(f"after {what}")
            return found

        self._monkeypatch.setattr(owner, name, watched)

    def _at(self, moment: str) -> None:
        if self.cut_at is not None and len(self.moments) >= self.cut_at:
            raise PowerCutError(moment)
        self.moments.append(moment)


@pytest.fixture(scope="module")
def case() -> Case:
    """Two regions, two steps, and a solver that remembers."""
    small: dict[str, Any] = {"region": 16, "window": 16, "overlap": 4, "steps": 2, "solver": "dpm++2m"}
    return make_case("analytic", height=16, width=24, **small)


@pytest.fixture(scope="module", autouse=True)
def nobody_waits() -> Iterator[None]:
    """A holder that is gone is watched in no time, and every entry is written at once.

    For the undisturbed run too: its moments are those of the others, however slow the machine.
    """
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(leasing, "time", SimpleNamespace(monotonic=lambda: now[0], sleep=sleep))
        monkeypatch.setattr(driving, "TICK_SECONDS", 1e9)
        monkeypatch.setattr(driving, "_journal_delay", lambda _coordinator: 0.0)
        # what is flushed is told by ``durable``: tests/storage/objects/test_durable.py looks at the flushing itself
        monkeypatch.setattr(durable.os, "fsync", lambda _descriptor: None)
        yield


@pytest.fixture(scope="module")
def undisturbed(case: Case, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, list[str]]:
    """The bytes of a run that nothing happens to, and its moments."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        store = case.begin(str(tmp_path_factory.mktemp("undisturbed") / "run"))
        machine = Machine(monkeypatch)
        sit(case, store)
    return digest(case, store), machine.moments


def cut_and_resume(case: Case, folder: Path, cut_at: int, *, loses: bool) -> tuple[str, set[Task], Counter[Task]]:
    """The bytes of a resumed run, what the first sitting had committed, and how often the journal has each task."""
    store = case.begin(str(folder / f"{cut_at}-{loses}"))
    with pytest.MonkeyPatch.context() as monkeypatch:
        machine = Machine(monkeypatch, cut_at)
        with pytest.raises(PowerCutError):
            sit(case, store)
    for key in machine.unsure:
        if loses or key.startswith(("journal", "lease", "plan")):
            (Path(store.url) / key).unlink(missing_ok=True)
    again = RunStore.open(store.url)
    sit(case, again)
    records = RunStore.open(store.url).journal.replay()
    return digest(case, again), machine.committed, Counter(map(task_of, filter(is_work, records)))


def different(moments: list[str]) -> list[int]:
    """Moments that are not the same to a run as others: what follows a change is what comes before the next.

    Descriptions of arrays are written alike at any time, heartbeats say nothing, the two regions are alike, and so are
    the latents at the start and those of a step.
    """
    changes = ("before put_new", "before put ", "before delete")
    alike = ("zarr.json", "heartbeat", "golden", "released", "/c/0/0/0", "z/0/s0000")
    return [
        number
        for number, moment in enumerate(moments)
        if moment.startswith(changes) and not any(one in moment for one in alike)
    ]


def is_work(record: Record) -> bool:
    return record.kind in KINDS


def task_of(record: Record) -> Task:
    return Task(Kind(record.kind), record.step, record.region)


def test_what_a_run_does(undisturbed: tuple[str, list[str]]) -> None:
    """It has all the moments that the tests below end it at."""
    said = Counter(moment.split()[1] for moment in undisturbed[1])
    assert set(said) == {"put_new", "put", "delete", "write", "append", "commit"}
    # a region is committed after its entry, which is made after its bytes
    order = [moment.split()[1] for moment in undisturbed[1] if moment.split()[1] in ("append", "commit")]
    assert order.count("commit") >= 4
    for place, name in enumerate(order):
        if name == "commit" and order[place - 1] != "commit":
            assert order[place - 1] == "append"


def test_after_any_power_cut_the_run_goes_on(case: Case, undisturbed: tuple[str, list[str]], tmp_path: Path) -> None:
    """What was committed is not made again where its bytes are there."""
    expected, moments = undisturbed
    for cut_at in different(moments):
        found, committed, counts = cut_and_resume(case, tmp_path, cut_at, loses=False)
        assert found == expected, moments[cut_at]
        kept = {task for task in committed if task.kind not in CONTRIBUTING}
        assert {task for task in kept if counts[task] != 1} == set(), moments[cut_at]


def test_regions_that_never_reached_the_disk_are_made_again(
    case: Case, undisturbed: tuple[str, list[str]], tmp_path: Path
) -> None:
    expected, moments = undisturbed
    *_, before_last, last = (n for n, moment in enumerate(moments) if moment.startswith("after commit"))
    for cut_at in (before_last, last):
        assert cut_and_resume(case, tmp_path, cut_at, loses=True)[0] == expected, moments[cut_at]


@pytest.mark.parametrize("count", [1, 2])
def test_a_stopped_run_has_an_entry_for_all_that_was_finished(
    case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    """The last entry is written as the run ends, and the executor closed, whatever ended it."""
    finished: list[Task] = []
    closed: list[bool] = []
    finish, close = Coordinator.finish, LocalExecutor.close

    def watch(self: Coordinator, worker: str, number: int, outcome: Any) -> bool:
        found = finish(self, worker, number, outcome)
        finished[:] = [one.task for one in self.uncommitted]
        return found

    monkeypatch.setattr(Coordinator, "finish", watch)
    monkeypatch.setattr(LocalExecutor, "close", lambda self: closed.append(close(self) is None))
    # nothing is written but at the end
    monkeypatch.setattr(driving, "_journal_delay", lambda _coordinator: 1e9)
    store = case.begin(str(tmp_path / "run"))
    with pytest.raises(StoppedError):
        sit(case, store, should_stop=lambda: len(finished) >= count)
    records = RunStore.open(store.url).journal.replay()
    assert finished
    assert [task_of(record) for record in records if is_work(record)] == finished
    assert closed == [True]
