"""A cluster that runs already: what it is asked, and the one thing that cannot be meant."""

from __future__ import annotations

from typing import Any

import pytest

from cluster.job import Job
from cluster.machines import ray_cluster as module
from cluster.machines.backend import Start
from cluster.machines.ray_cluster import RayCluster
from cluster.machines.vigil import Vigil
from cluster.machines.waiting import Waiting
from pipeline.plan.device import DeviceFacts
from tests.support.tiny import small_plan

DEVICE = DeviceFacts(kind="cuda", name="a GPU", threads=4)


def job(**given: Any) -> Job:
    return Job(input="i.png", output="o.png", **given)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """A cluster of twelve such devices; what it was asked, in order."""
    found: list[Any] = []

    def join(address: str, *, allow_open: bool) -> None:
        found.append(("join", address, allow_open))

    def device(kind: str, threads: int | None, waiting: Waiting) -> DeviceFacts:
        found.append(("device", kind, threads, waiting.most_s))
        return DEVICE

    monkeypatch.setattr(module.connect, "join_cluster", join)
    monkeypatch.setattr(module.connect, "cluster_device", device)
    monkeypatch.setattr(module.connect, "cluster_size", lambda given: 12 if given is DEVICE else 0)
    monkeypatch.setattr(module.connect, "largest_memory", lambda kind: 777 if kind == "cuda" else 0)
    return found


@pytest.mark.parametrize(("workers", "expected"), [(None, 12), (5, 5), (40, 40)])
def test_it_is_joined_and_asked_what_it_has(asked: list[Any], workers: int | None, expected: int) -> None:
    """More workers than it has now are not too many: nodes come and go."""
    placed = RayCluster().place(
        job(address="head:6379", workers=workers, device="cuda", threads=4, wait=9.0), Waiting()
    )
    assert asked == [("join", "head:6379", False), ("device", "cuda", 4, 9.0)]
    assert (placed.workers, placed.device, placed.memory) == (expected, DEVICE, 777)
    assert (placed.workers_at_once, placed.where) == (1, "the largest node of the cluster")


def test_an_open_cluster_is_joined_where_that_is_allowed(asked: list[Any]) -> None:
    RayCluster().place(job(address="auto", allow_open_cluster=True), Waiting())
    assert asked[0] == ("join", "auto", True)


def test_no_workers_on_a_cluster_cannot_be_meant(asked: list[Any]) -> None:
    with pytest.raises(ValueError, match="workers 0 works in this process: use it with --address local"):
        RayCluster().place(job(address="auto", workers=0), Waiting())
    assert asked == []


def test_the_addresses_that_are_its() -> None:
    assert set(RayCluster.schemes) == {"auto", "ray", ""}


@pytest.mark.parametrize(
    ("memory", "expected"),
    [
        (0, [("tile", 2, 2, 0), ("prepare", 1, 1, 0)]),
        (4 << 30, [("tile", 2, 2, 4 << 30), ("prepare", 1, 1, 4 << 30)]),
        (5 << 30, [("tile", 2, 2, 5 << 30)]),
    ],
)
def test_actors_ask_for_memory_and_what_only_prepares_comes_where_some_is_spare(
    monkeypatch: pytest.MonkeyPatch, memory: int, expected: list[Any]
) -> None:
    """Of 12 GiB and 8 CPUs two workers of two threads leave four CPUs, and of 4 or 5 GiB each, 4 GiB or 2."""
    made: list[Any] = []

    def executor(pools: list[Any], *_words: Any, most_wait_s: float | None) -> str:
        made.extend([[(one.name, one.size, one.num_cpus, one.memory) for one in pools], most_wait_s])
        return "executor"

    monkeypatch.setattr(module, "RayExecutor", executor)
    monkeypatch.setattr(module, "watch_ray", lambda: Vigil(processes={}))
    monkeypatch.setattr(module.ray, "cluster_resources", lambda: {"CPU": 8.0, "memory": float(12 << 30)})
    plan = small_plan(device=DeviceFacts(kind="cpu", name="test", threads=2))
    nothing: Any = None
    asked = Start(job=job(wait=7.0), workers=2, plan=plan, setup=nothing, graph=nothing, memory=memory)
    assert RayCluster().start(asked)[0] == "executor"  # type: ignore[comparison-overlap]
    assert made == [expected, 7.0]
