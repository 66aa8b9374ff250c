"""Reaching a cluster: what its address may not hold, and what it is asked. No Ray is started."""

from __future__ import annotations

from typing import Any

import pytest
import ray

from cluster.machines import connect
from cluster.machines.asking import Question
from cluster.machines.waiting import Waiting

NODES = [
    {"Alive": True, "Resources": {"CPU": 8.0, "memory": 9e9}},
    {"Alive": True, "Resources": {"CPU": 2.0, "GPU": 1.0, "memory": 4e9}},
    {"Alive": False, "Resources": {"CPU": 64.0, "GPU": 8.0, "memory": 64e9}},
    {"Alive": True, "Resources": {"memory": 16e9}},
]
"""the last one is a head without work"""


@pytest.mark.parametrize(("kind", "gpus", "expected"), [("auto", 0, "cpu"), ("auto", 2, "cuda"), ("cpu", 2, "cpu")])
def test_the_device_is_asked_of_a_node(monkeypatch: pytest.MonkeyPatch, kind: str, gpus: float, expected: str) -> None:
    asked: list[tuple[Question, Waiting]] = []

    def beside(question: Question, waiting: Waiting) -> dict[str, Any]:
        asked.append((question, waiting))
        return {"kind": question.kind, "name": "x", "threads": question.threads}

    waiting = Waiting(most_s=3.0)
    monkeypatch.setattr(ray, "cluster_resources", lambda: {"GPU": gpus} if gpus else {})
    monkeypatch.setattr(connect, "ask_beside", beside)
    device = connect.cluster_device(kind, 2, waiting)
    assert (device.kind, device.threads) == (expected, 2)
    assert asked[0][1] is waiting


@pytest.mark.parametrize(("kind", "expected"), [("cpu", 9e9), ("cuda", 4e9)])
def test_memory_of_the_largest_node_that_could_work(
    monkeypatch: pytest.MonkeyPatch, kind: str, expected: float
) -> None:
    monkeypatch.setattr(ray, "nodes", lambda: NODES)
    assert connect.largest_memory(kind) == expected


@pytest.mark.parametrize("address", ["http://me:secret@h:8265", "me:secret@127.0.0.1:6379", "ray://me:secret@h:10001"])
def test_no_password_is_taken_or_repeated(address: str) -> None:
    for given, environment in ((address, {}), ("auto", {"RAY_ADDRESS": address})):
        with pytest.raises(connect.UnreachableError, match="a name or a password") as told:
            connect.find_cluster(given, environment)
        assert "secret" not in str(told.value)
