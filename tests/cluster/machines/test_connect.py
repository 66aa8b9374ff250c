"""What a cluster that cannot serve is said to lack: one line, and soon. No Ray is started."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import ray
from ray.exceptions import GetTimeoutError, RayTaskError, WorkerCrashedError

from cluster.machines import connect

Answer = Callable[[float], Any]


@pytest.fixture
def answer(monkeypatch: pytest.MonkeyPatch) -> Callable[[dict[str, float], Answer], list[str]]:
    """Stands in for a cluster of one node: its resources, and what it answers; returns what was cancelled."""

    class Remote:
        def options(self, **_resources: Any) -> Remote:
            return self

        def remote(self) -> str:
            return "reference"

    def stand_in(resources: dict[str, float], told: Answer) -> list[str]:
        cancelled: list[str] = []
        nodes = [{"Alive": True, "Resources": resources}, {"Alive": False, "Resources": {"GPU": 8.0, "CPU": 64.0}}]
        monkeypatch.setattr(ray, "nodes", lambda: nodes)
        monkeypatch.setattr(ray, "cluster_resources", lambda: resources)
        monkeypatch.setattr(ray, "remote", lambda _question: Remote())
        monkeypatch.setattr(ray, "get", lambda _reference, timeout: told(timeout))
        monkeypatch.setattr(ray, "cancel", lambda reference, **_: cancelled.append(reference))
        return cancelled

    return stand_in


def never(_timeout: float) -> Any:
    raise AssertionError("nobody is asked")


def raising(error: Exception) -> Answer:
    def told(_timeout: float) -> Any:
        raise error

    return told


def test_a_cluster_without_gpus(answer: Any) -> None:
    answer({"CPU": 8.0}, never)
    with pytest.raises(ValueError, match=r"--device cuda: expected a node with 1 GPU .*largest has 0: .*--device cpu"):
        connect.cluster_device("cuda", 1)


def test_a_node_with_too_few_cpus(answer: Any) -> None:
    answer({"CPU": 8.0}, never)
    with pytest.raises(ValueError, match=r"expected a node with 16 CPU .*largest has 8: .*fewer --threads"):
        connect.cluster_device("auto", 16)


def test_nobody_answers(answer: Any) -> None:
    cancelled = answer({"GPU": 1.0}, raising(GetTimeoutError("no")))
    with pytest.raises(
        connect.UnreachableError, match=r"with a GPU free to answer in 300 s and none did: .*ray status"
    ):
        connect.cluster_device("auto", 1)
    assert cancelled == ["reference"]


@pytest.mark.parametrize(
    "error",
    [
        RayTaskError("ask", "Traceback\nboom", RuntimeError("boom")),
        WorkerCrashedError(),
        RuntimeError("boom"),
    ],
)
def test_a_worker_fails(answer: Any, error: Exception) -> None:
    answer({"CPU": 2.0}, raising(error))
    with pytest.raises(
        connect.UnreachableError, match=r"^a worker with 2 CPUs could not .*: (boom|The worker died.*); every node"
    ):
        connect.cluster_device("cpu", 2)


def test_the_answer(answer: Any) -> None:
    answer({"CPU": 2.0}, lambda timeout: {"kind": "cpu", "name": f"x{timeout:g}", "threads": 2})
    assert connect.cluster_device("auto", 2).name == "x300"


@pytest.mark.parametrize("address", ["http://me:secret@h:8265", "me:secret@127.0.0.1:6379", "ray://me:secret@h:10001"])
def test_no_password_is_taken_or_repeated(address: str) -> None:
    for given, environment in ((address, {}), ("auto", {"RAY_ADDRESS": address})):
        with pytest.raises(connect.UnreachableError, match="a name or a password") as told:
            connect.find_cluster(given, environment)
        assert "secret" not in str(told.value)
