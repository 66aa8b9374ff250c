"""What a cluster is asked while it is busy, or before it has grown. No Ray is started."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
import ray
from ray.exceptions import RayTaskError, WorkerCrashedError

from actors.executors.protocol import NoRoomError
from actors.stopping import StoppedError
from cluster.machines.asking import Question, UnreachableError, ask_beside, ask_worker
from cluster.machines.waiting import Waiting


@dataclass
class Cluster:
    """Stands in for one: its living nodes, what is free on them, and what comes of each call, in order."""

    nodes: dict[str, dict[str, float]] = field(default_factory=dict)
    free: dict[str, dict[str, float]] = field(default_factory=dict)
    answers: list[Any] = field(default_factory=list)
    """None: never answered"""
    asked: list[dict[str, Any]] = field(default_factory=list)
    cancelled: list[int] = field(default_factory=list)

    def options(self, **options: Any) -> Cluster:
        self.asked.append(options)
        return self

    def remote(self) -> int:
        return len(self.asked) - 1

    def wait(self, references: list[int], timeout: float) -> tuple[list[int], list[int]]:
        there = [one for one in references if self.answers[one] is not None]
        return there, [one for one in references if one not in there]

    def get(self, reference: int) -> Any:
        answer = self.answers[reference]
        if isinstance(answer, Exception):
            raise answer
        return answer


ONE, OTHER = (digit * 56 for digit in "12")
"""names of nodes, as Ray has them"""
Make = Callable[..., Cluster]


@pytest.fixture
def make(monkeypatch: pytest.MonkeyPatch) -> Make:
    def make(**parts: Any) -> Cluster:
        cluster = Cluster(**parts)
        dead = {"NodeID": "dead", "Alive": False, "Resources": {"GPU": 8.0, "CPU": 64.0}}
        alive = [{"NodeID": name, "Alive": True, "Resources": has} for name, has in cluster.nodes.items()]
        monkeypatch.setattr(ray, "nodes", lambda: [dead, *alive])
        monkeypatch.setattr(ray, "remote", lambda _tell: cluster)
        monkeypatch.setattr(ray, "wait", cluster.wait)
        monkeypatch.setattr(ray, "get", cluster.get)
        monkeypatch.setattr(ray, "cancel", lambda reference, force: cluster.cancelled.append(reference))
        monkeypatch.setattr(ray._private.state, "available_resources_per_node", lambda: cluster.free)
        return cluster

    return make


def question(kind: str = "cpu", threads: int = 2) -> Question:
    return Question(tell=lambda: None, kind=kind, threads=threads)


def impatient() -> Waiting:
    return Waiting(most_s=0.0)


def test_a_busy_node_tells_its_device(make: Make) -> None:
    """It is asked without anything of what is in use; one where the device is free comes first."""
    cluster = make(nodes={ONE: {"GPU": 1.0}, OTHER: {"CPU": 8.0}}, answers=["an H200"])
    assert ask_beside(question("cuda"), impatient()) == "an H200"
    assert (cluster.asked[0]["num_gpus"], cluster.asked[0]["num_cpus"]) == (0, 0)
    assert cluster.asked[0]["scheduling_strategy"].node_id == ONE
    cluster = make(nodes={ONE: {"GPU": 1.0}, OTHER: {"GPU": 1.0}}, free={OTHER: {"GPU": 1.0}}, answers=["another"])
    assert ask_beside(question("cuda"), impatient()) == "another"
    assert cluster.asked[0]["scheduling_strategy"].node_id == OTHER


@pytest.mark.parametrize("error", [RayTaskError("ask", "boom", ValueError("no GPU shown")), WorkerCrashedError()])
def test_a_node_that_cannot_tell_beside_other_work_is_waited_for(make: Make, error: Exception) -> None:
    cluster = make(nodes={ONE: {"GPU": 1.0}}, answers=[error, "an H200"])
    assert ask_beside(question("cuda"), impatient()) == "an H200"
    assert cluster.asked[1] == {"max_retries": 3, "num_gpus": 1, "num_cpus": 0}


def test_a_cluster_that_must_grow_is_waited_for(make: Make) -> None:
    """The largest node has half of what is asked for."""
    cluster = make(nodes={ONE: {}, OTHER: {"CPU": 8.0}}, answers=[None])
    with pytest.raises(NoRoomError, match=r"a node with 16 CPUs: of the 2 that .* the largest has 8 CPU"):
        ask_beside(question(threads=16), impatient())
    assert cluster.asked == [{"max_retries": 3, "num_cpus": 16}]
    assert cluster.cancelled == [0], "nobody computes an answer that is not heard"


def test_a_worker_that_others_keep_from_us(make: Make) -> None:
    make(nodes={ONE: {"GPU": 4.0}, OTHER: {"GPU": 2.0}}, answers=[None])
    with pytest.raises(NoRoomError, match="waits for a GPU of the cluster, which has 6 GPUs: others use them"):
        ask_worker(question("cuda"), impatient())


@pytest.mark.parametrize("ask", [ask_beside, ask_worker])
def test_a_stop_is_a_stop(make: Make, ask: Callable[[Question, Waiting], Any]) -> None:
    cluster = make(nodes={ONE: {"CPU": 4.0}}, answers=[None, "too late"])
    with pytest.raises(StoppedError):
        ask(question(), Waiting(should_stop=lambda: True))
    assert (len(cluster.asked), cluster.cancelled) == (1, [0])


@pytest.mark.parametrize(
    "error", [RayTaskError("ask", "Traceback\nboom", RuntimeError("boom")), WorkerCrashedError(), RuntimeError("boom")]
)
def test_a_worker_fails(make: Make, error: Exception) -> None:
    make(nodes={ONE: {"CPU": 2.0}}, answers=[error])
    with pytest.raises(UnreachableError, match=r"^a worker with 2 CPUs could not .*: (boom|The worker died.*); every"):
        ask_worker(question(), impatient())
