"""A cluster that runs already: what it is asked, and the one thing that cannot be meant."""

from __future__ import annotations

from typing import Any

import pytest

from cluster.job import Job
from cluster.machines import ray_cluster as module
from cluster.machines.ray_cluster import RayCluster
from pipeline.plan.device import DeviceFacts

DEVICE = DeviceFacts(kind="cuda", name="a GPU", threads=4)


def job(**given: Any) -> Job:
    return Job(input="i.png", output="o.png", **given)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """A cluster of twelve such devices; what it was asked, in order."""
    found: list[Any] = []

    def join(address: str, *, allow_open: bool) -> None:
        found.append(("join", address, allow_open))

    def device(kind: str, threads: int | None) -> DeviceFacts:
        found.append(("device", kind, threads))
        return DEVICE

    monkeypatch.setattr(module.connect, "join_cluster", join)
    monkeypatch.setattr(module.connect, "cluster_device", device)
    monkeypatch.setattr(module.connect, "cluster_size", lambda given: 12 if given is DEVICE else 0)
    monkeypatch.setattr(module.connect, "cluster_memory", lambda: 777)
    return found


@pytest.mark.parametrize(("workers", "expected"), [(None, 12), (5, 5), (40, 40)])
def test_it_is_joined_and_asked_what_it_has(asked: list[Any], workers: int | None, expected: int) -> None:
    """More workers than it has now are not too many: nodes come and go."""
    placed = RayCluster().place(job(address="head:6379", workers=workers, device="cuda", threads=4))
    assert asked == [("join", "head:6379", False), ("device", "cuda", 4)]
    assert (placed.workers, placed.device, placed.memory, placed.where) == (expected, DEVICE, 777, "the cluster")


def test_an_open_cluster_is_joined_where_that_is_allowed(asked: list[Any]) -> None:
    RayCluster().place(job(address="auto", allow_open_cluster=True))
    assert asked[0] == ("join", "auto", True)


def test_no_workers_on_a_cluster_cannot_be_meant(asked: list[Any]) -> None:
    with pytest.raises(ValueError, match="workers 0 works in this process: use it with --address local"):
        RayCluster().place(job(address="auto", workers=0))
    assert asked == []


def test_the_addresses_that_are_its() -> None:
    assert set(RayCluster.schemes) == {"auto", "ray", ""}
