"""A run's executor over a crew, with actors that are words and a Ray that answers at once."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import actors.executors.lent as lent
import actors.executors.ray as module
from actors.executors.crew import Crew, Seat
from actors.executors.lent import LentExecutor
from actors.executors.protocol import RayDiedError, WorkerJoined, WorkerLost
from actors.executors.slots import Pool
from actors.schedule.graph import Graph
from actors.schedule.task import Kind
from tests.support.runs import Case, make_case


class FakeRay:
    """Every reference is there at once, but those that ``late`` holds."""

    def __init__(self) -> None:
        self.killed: list[Any] = []
        self.late: set[Any] = set()

    def put(self, value: Any) -> Any:
        return value

    def wait(self, references: list[Any], **_options: Any) -> tuple[list[Any], list[Any]]:
        return [one for one in references if one not in self.late], []

    def get(self, reference: Any, **_options: Any) -> Any:
        return f"hello of {reference}"

    def kill(self, handle: Any, **_options: Any) -> None:
        self.killed.append(handle)


class Handle:
    """An actor: it says what it is asked for."""

    def __init__(self, name: str) -> None:
        self.name, self.plans = name, list[Any]()
        self.take_up = SimpleNamespace(remote=self._take_up)

    def _take_up(self, setup: Any) -> str:
        self.plans.append(setup)
        return f"{self.name} for plan {len(self.plans)}"


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeRay:
    ray = FakeRay()
    monkeypatch.setattr(module, "ray", ray)
    monkeypatch.setattr(lent, "ray", ray)

    def start(self: LentExecutor, slot: Any) -> None:
        self._adopt(slot, Handle("new"))

    monkeypatch.setattr(LentExecutor, "_start", start)
    return ray


@pytest.fixture
def case() -> Case:
    return make_case("analytic", height=16, width=16)


@pytest.fixture
def crew() -> Crew:
    return Crew(2, lambda _handle: None)


def executor(crew: Crew, case: Case, run: str, size: int = 2, **given: Any) -> LentExecutor:
    pools = [Pool(name="tile", size=size, kinds=frozenset(Kind), num_cpus=1)]
    setup = case.setup(SimpleNamespace(url=run))  # type: ignore[arg-type]
    return LentExecutor(crew, run, pools, setup, Graph(case.plan), **given)


def test_actors_go_on_to_the_next_run(fake: FakeRay, crew: Crew, case: Case) -> None:
    first = executor(crew, case, "first", size=1)
    (joined,) = first.wait(0)
    assert isinstance(joined, WorkerJoined)
    assert str(joined.hello) == "hello of new for plan 1"
    first.close()
    second = executor(crew, case, "second", size=1)
    (joined,) = second.wait(0)
    assert isinstance(joined, WorkerJoined)
    assert str(joined.hello) == "hello of new for plan 2"
    assert fake.killed == []


def test_no_more_than_the_crew_lends_and_no_more_than_there_are_places(fake: FakeRay, crew: Crew, case: Case) -> None:
    crew.announce(["first", "second"])
    first, second = executor(crew, case, "first"), executor(crew, case, "second")
    assert len(first.wait(0)) == len(second.wait(0)) == 1
    second.close()
    assert len(first.wait(0)) == 1, "what the other gave back"
    assert first.wait(0) == []


def test_a_worker_that_is_lost_makes_room(fake: FakeRay, crew: Crew, case: Case) -> None:
    run = executor(crew, case, "run", size=1)
    (joined,) = run.wait(0)
    assert isinstance(joined, WorkerJoined)
    run.kill(joined.worker, "it hangs")
    assert len(fake.killed) == 1
    other = executor(crew, case, "other")
    assert len(other.wait(0)) == 1, "both places are free, and one is for whom has lost his only worker"
    assert crew.ask("run", 0) == Seat()
    (lost,) = run.wait(0)
    assert isinstance(lost, WorkerLost)


def test_an_actor_that_has_something_to_do_is_not_given_on(fake: FakeRay, crew: Crew, case: Case) -> None:
    """It still loads, or does what another has done already: the next run would wait for that."""
    run = executor(crew, case, "run")
    fake.late = {"new for plan 1"}
    run.wait(0)
    run.close()
    assert len(fake.killed) == 2
    assert crew.ask("next", 0) == Seat()
    assert crew.ask("next", 1) == Seat(), "two were ended, two may be started"


def test_where_ray_died_nothing_is_given_back(fake: FakeRay, crew: Crew, case: Case) -> None:
    dead = False

    def check() -> None:
        if dead:
            raise RayDiedError("gone")

    run = executor(crew, case, "run", check=check)
    run.wait(0)
    dead = True
    run.close()
    assert fake.killed == []
    assert crew.ask("next", 0) is None


def test_a_run_that_waits_for_a_worker_looks_again_when_one_is_free(
    fake: FakeRay, crew: Crew, case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = executor(crew, case, "first")
    first.wait(0)
    waited: list[float] = []
    monkeypatch.setattr(Crew, "wait", lambda _self, timeout: waited.append(timeout))
    second = executor(crew, case, "second", size=1)
    assert second.wait(0.2) == []
    assert waited == [0.2]
    first.close()
    assert len(second.wait(0.2)) == 1
