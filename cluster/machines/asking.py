"""What a node of the connected cluster is asked: its device, which a busy node tells, too, or its speed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import ray
import ray.util.client
from ray.exceptions import RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from actors.executors.protocol import NoRoomError
from actors.executors.ray import reason_of
from actors.stopping import StoppedError

from .waiting import Waiting

_ENDS = (StoppedError, NoRoomError)
"""of waiting, not of the question"""


class UnreachableError(ConnectionError):
    """No Ray cluster at the address, or none whose workers answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked of a node with a device."""

    tell: Callable[[], Any]
    """runs there"""
    kind: str
    """cpu or cuda"""
    threads: int

    @property
    def resource(self) -> str:
        return "GPU" if self.kind == "cuda" else "CPU"

    @property
    def least(self) -> int:
        """Of the resource, that a node must have."""
        return 1 if self.kind == "cuda" else self.threads

    @property
    def device(self) -> str:
        return "a GPU" if self.kind == "cuda" else f"{self.threads} CPU{'s' if self.threads > 1 else ''}"


def ask_beside(question: Question, waiting: Waiting) -> Any:
    """The answer of a node that has the device, in use or not: the question takes nothing of what Ray hands out.

    Where no node has it, or the one that was asked cannot tell beside other work, as ``ask_worker``.
    """
    node = _able_node(question)
    if node is None:
        return ask_worker(question, waiting)
    place = NodeAffinitySchedulingStrategy(node_id=node, soft=False)
    options: dict[str, Any] = {"num_cpus": 0, "num_gpus": 0, "scheduling_strategy": place, "max_retries": 0}
    try:
        return _ask(question, options, waiting, lambda: f"a node of the cluster to tell of {question.device}")
    except (RayError, RuntimeError, ValueError) as e:
        if isinstance(e, _ENDS):
            raise
        return ask_worker(question, waiting)


def ask_worker(question: Question, waiting: Waiting) -> Any:
    """The answer of a worker that was given the device.

    Raises UnreachableError, one line, where that goes wrong, and what Waiting does.
    """
    gpu: dict[str, Any] = {"num_gpus": 1, "num_cpus": 0}
    options = gpu if question.kind == "cuda" else {"num_cpus": question.threads}
    try:
        return _ask(question, {"max_retries": 3, **options}, waiting, lambda: _lack(question))
    except (RayError, RuntimeError) as e:
        if isinstance(e, _ENDS):
            raise
        raise UnreachableError(
            f"a worker with {question.device} could not tell its device or speed: {reason_of(e).rstrip('.')}; every "
            "node needs gigatile with the packages that are here"
        ) from e


def _ask(question: Question, options: Mapping[str, Any], waiting: Waiting, what: Callable[[], str]) -> Any:
    remote: Any = ray.remote(question.tell)
    reference = remote.options(**options).remote()
    try:
        waiting.until(lambda seconds: bool(ray.wait([reference], timeout=seconds)[0]), what)
    except BaseException:
        ray.cancel(reference, force=True)
        raise
    return ray.get(reference)


def _able_node(question: Question) -> str | None:
    """A living node with the device, one where it is free before others; None where there is none."""
    able = [
        node["NodeID"]
        for node in ray.nodes()
        if node["Alive"] and node["Resources"].get(question.resource, 0) >= question.least
    ]
    free: Mapping[str, Mapping[str, float]] = {}
    if not ray.util.client.ray.is_connected():  # through ray:// it is not told what is free where
        free = ray._private.state.available_resources_per_node()
    able.sort(key=lambda node: free.get(node, {}).get(question.resource, 0) < question.least)
    return able[0] if able else None


def _lack(question: Question) -> str:
    """What is waited for, and what there is."""
    nodes = [node["Resources"].get(question.resource, 0) for node in ray.nodes() if node["Alive"]]
    most = max(nodes, default=0)
    if most < question.least:
        return (
            f"a node with {question.device}: of the {len(nodes)} that the cluster has now the largest has {most:g} "
            f"{question.resource}s, so it must grow, or take another --device or --threads"
        )
    return f"{question.device} of the cluster, which has {sum(nodes):g} {question.resource}s: others use them"
