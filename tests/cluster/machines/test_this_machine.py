"""The address ``local``: how many workers this machine has room for, and no Ray where there are none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from actors.executors.local import LocalExecutor
from actors.schedule.graph import Graph
from cluster.job import Job
from cluster.machines import this_machine as module
from cluster.machines.backend import Start
from cluster.machines.this_machine import ThisMachine
from cluster.machines.waiting import Waiting
from tests.support.runs import make_case

BACKEND = ThisMachine()


def job(**given: Any) -> Job:
    return Job(input="i.png", output="o.png", **given)


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten CPUs, no GPU, and a place for Ray's sockets."""
    monkeypatch.setattr(module, "count_cpus", lambda: 10)
    monkeypatch.setattr(module, "socket_folder", lambda: Path("."))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


@pytest.mark.parametrize(("threads", "workers"), [(1, 10), (3, 3), (10, 1), (16, 1)])
def test_as_many_workers_as_its_cpus_have_threads_for(threads: int, workers: int) -> None:
    placed = BACKEND.place(job(threads=threads, device="cpu"), Waiting())
    assert (placed.workers, placed.device.kind, placed.device.threads) == (workers, "cpu", threads)
    assert placed.where == "this machine"
    assert placed.workers_at_once == workers
    assert placed.memory > 0


def test_as_many_as_were_asked_for() -> None:
    assert BACKEND.place(job(workers=3, device="cpu", threads=1), Waiting()).workers == 3


def test_auto_is_the_cpu_where_there_is_no_gpu() -> None:
    assert BACKEND.place(job(workers=0, threads=1), Waiting()).device.kind == "cpu"


def test_a_place_that_ray_cannot_use_is_refused_before_any_work(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> Path:
        raise ValueError("no place for sockets")

    monkeypatch.setattr(module, "socket_folder", refuse)
    with pytest.raises(ValueError, match="no place for sockets"):
        BACKEND.place(job(workers=2, device="cpu", threads=1), Waiting())
    # in this process there are no sockets
    assert BACKEND.place(job(workers=0, device="cpu", threads=1), Waiting()).workers == 0


def test_without_workers_it_is_this_process(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def never(*_: Any) -> None:
        raise AssertionError("Ray was started")

    monkeypatch.setattr(module, "start_private", never)
    monkeypatch.setattr(module, "start_actors", never)
    case = make_case("analytic", height=20, width=20, steps=1)
    store = case.begin(str(tmp_path / "run"))
    asked = Start(job=job(workers=0), workers=0, plan=case.plan, setup=case.setup(store), graph=Graph(case.plan))
    executor, vigil = BACKEND.start(asked)
    assert isinstance(executor, LocalExecutor)
    vigil.check()


@pytest.mark.parametrize(("threads", "workers", "cpus"), [(2, 3, 10), (2, 8, 16)])
def test_a_private_ray_has_a_cpu_for_every_thread(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, threads: int, workers: int, cpus: int
) -> None:
    """And shared memory for the plan, or for a later one that needs more."""
    started: list[tuple[int, int]] = []
    monkeypatch.setattr(module, "start_private", lambda num_cpus, room: started.append((num_cpus, room)))
    monkeypatch.setattr(module, "start_actors", lambda asked: asked)
    monkeypatch.setattr(module, "object_bytes", lambda *_: 1000)
    monkeypatch.setattr(module.ray, "is_initialized", lambda: False)
    case = make_case("analytic", height=20, width=20, steps=1)
    object.__setattr__(case.plan.device, "threads", threads)
    store = case.begin(str(tmp_path / "run"))
    given: dict[str, Any] = {"plan": case.plan, "setup": case.setup(store), "graph": Graph(case.plan)}
    for room in (5, 5000):
        asked: Any = Start(job=job(workers=workers), workers=workers, room=room, **given)
        assert BACKEND.start(asked) is asked  # type: ignore[comparison-overlap]
    assert started == [(cpus, 1000), (cpus, 5000)]
