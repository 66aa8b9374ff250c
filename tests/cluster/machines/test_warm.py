"""A backend whose workers stay: looked at once, started once, lent to one picture after another."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from actors.executors.lent import LentExecutor
from actors.executors.local import LocalExecutor
from actors.schedule.graph import Graph
from actors.work import building
from cluster.job import Job
from cluster.machines import warm as module
from cluster.machines.backend import Placement, Start
from cluster.machines.placement import backend_for, place
from cluster.machines.this_machine import ThisMachine
from cluster.machines.vigil import Vigil
from cluster.machines.warm import OBJECT_BYTES, LentJob, WarmBackend, opened
from pipeline.plan.device import describe_device
from tests.support.runs import Case, make_case


class Counted(ThisMachine):
    """Says how often it is looked at."""

    def __init__(self, workers: int) -> None:
        self.workers, self.looks = workers, 0

    def place(self, job: Any, waiting: Any) -> Placement:
        self.looks += 1
        return Placement(device=describe_device("cpu", 1), workers=self.workers, memory=1 << 40, where="here")


def start(case: Case, folder: Path, workers: int) -> Start:
    job = Job(input="i.png", output=str(folder), wait=7.0)
    setup = case.setup(case.begin(str(folder)))
    return Start(job=job, workers=workers, plan=case.plan, setup=setup, graph=Graph(case.plan))


def test_a_lent_job_computes_where_it_is_told() -> None:
    """And is looked at once for all of them."""
    inner = Counted(3)
    warm = WarmBackend(inner)
    jobs = [LentJob(input="i.png", output=name, backend=warm) for name in ("a.tif", "b.tif")]
    assert [place(job).workers for job in jobs] == [3, 3]
    assert inner.looks == 1
    assert all(backend_for(job) is warm for job in jobs)
    assert backend_for(Job(input="i.png", output="c.tif")) is not warm


def test_in_this_process_one_model_serves_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: list[str] = []
    load = building.load_backbone

    def watch(card: Any, **given: Any) -> Any:
        loaded.append(card.name)
        return load(card, **given)

    monkeypatch.setattr(building, "load_backbone", watch)
    with opened(Counted(0)) as warm:
        assert warm.open(Job(input="i.png", output="o")) == 0
        for number in range(3):
            case = make_case("analytic", height=16, width=16 + number)
            executor, vigil = warm.start(start(case, tmp_path / str(number), 0))
            assert isinstance(executor, LocalExecutor)
            vigil.check()
    assert loaded == ["analytic"]


def test_ray_is_started_once_and_its_workers_are_lent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[tuple[int, int]] = []
    monkeypatch.setattr(module, "start_private", lambda cpus, room: started.append((cpus, room)))
    monkeypatch.setattr(module, "watch_ray", lambda: Vigil(processes={}))
    monkeypatch.setattr(module, "count_cpus", lambda: 2)
    monkeypatch.setattr(module.ray, "is_initialized", lambda: bool(started))
    pools: list[Any] = []

    def begin(_self: Any, _crew: Any, run: str, given: Any, *_: Any, most_wait_s: float | None) -> None:
        pools.append((run, given, most_wait_s))

    monkeypatch.setattr(LentExecutor, "__init__", begin)
    inner = Counted(3)
    with opened(inner) as warm:
        job = Job(input="i.png", output="o")
        assert [warm.open(job), warm.open(job)] == [3, 3]
        for height in (16, 300):
            case = make_case("analytic", height=height, width=16, region=48)
            warm.start(start(case, tmp_path / str(height), 3))
    assert started == [(3, 4 * OBJECT_BYTES)]
    assert [run for run, *_ in pools] == [str(tmp_path / "16"), str(tmp_path / "300")]
    assert [wait for *_, wait in pools] == [7.0, 7.0]
    sizes = [[pool.size for pool in given] for _, given, _ in pools]
    assert sizes[0] == [1], "one region is for one worker"
    assert sizes[1][0] > 1
    assert inner.looks == 1
