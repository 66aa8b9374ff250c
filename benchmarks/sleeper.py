"""A worker whose model only sleeps, for as long as tasks are told to take: no torch, no store, small contributions.

A module of its own: what an actor's process imports with it is all that it costs.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from actors.schedule.task import CONTRIBUTING, Hello, Outcome, Task


@dataclass(frozen=True, slots=True, kw_only=True)
class Orders:
    """What a sleeper is told; stands in for a WorkerSetup."""

    plan: bytes
    """the plan record"""
    hello: Hello
    seconds: dict[str, tuple[float, float, float]]
    """of reading, of the model and of writing, by kind of task"""
    num_receivers: tuple[int, ...]
    """regions that each region's tiles give to"""
    jitter: float = 0.05
    stragglers: float = 0.01
    contribution: int = 65536
    """bytes"""


class Sleeper:
    """Answers as a WorkerActor does, given its orders when it is made or greeted."""

    def __init__(self, orders: Orders | None = None) -> None:
        self._orders, self._alone = orders, threading.Lock()
        self._sleep: Callable[[float], None] = time.sleep

    def place(self) -> None:
        """There is one."""

    def hello(self, orders: Orders | None = None) -> Hello:
        self._orders = orders or self._orders
        assert self._orders is not None
        return self._orders.hello

    def run(self, task: Task, _sums: Any, *_contributions: bytes) -> Any:
        assert self._orders is not None
        orders, begun = self._orders, time.perf_counter()
        times = max(0.2, random.gauss(1.0, orders.jitter)) * (3.0 if random.random() < orders.stragglers else 1.0)
        read, compute, write = (times * seconds for seconds in orders.seconds[str(task.kind)])
        self._sleep(read)
        inside = 0.0
        if compute:
            with self._alone:
                lent = time.perf_counter()
                self._sleep(compute)
                inside = time.perf_counter() - lent
        self._sleep(write)
        outcome = Outcome(seconds=time.perf_counter() - begun, backbone_seconds=inside, ended=time.time())
        if task.kind not in CONTRIBUTING:
            return outcome
        return (outcome, *[bytes(orders.contribution)] * orders.num_receivers[task.region])
