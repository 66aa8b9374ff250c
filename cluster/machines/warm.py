"""A backend whose workers keep their model from run to run: for the pictures of one collection."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from typing import Any

import ray

from actors.executors.crew import Crew
from actors.executors.lent import LentExecutor
from actors.executors.local import LocalExecutor
from actors.executors.protocol import Executor
from actors.work.building import Workshop
from cluster.job import Job, Work
from pipeline.plan.plan import Plan

from .backend import Backend, Placement, Start
from .cards import Cards
from .limits import count_cpus
from .pools import plan_pools
from .private import start_private
from .ray_cluster import RayCluster
from .this_machine import ThisMachine
from .vigil import Vigil, watch_ray
from .waiting import Waiting

OBJECT_BYTES = 128 << 20
"""shared memory a worker, for contributions: what a picture needs is not known before it is planned"""


class WarmBackend(Backend):
    """Looks once at what is there, and starts every worker once."""

    schemes = ()

    def __init__(self, inner: Backend) -> None:
        """``inner``: where the runs compute."""
        self._inner = inner
        self._is_known = isinstance(inner, ThisMachine | RayCluster)
        """whether its workers are this process or Ray's: an engine of others starts its own for each job"""
        self.cards = Cards()
        self._placement: Placement | None = None
        self._workshop = Workshop()
        self._crew = Crew(0, end=_end)
        self._vigil = Vigil(processes={})
        self._lock = threading.Lock()

    def place(self, job: Work, waiting: Waiting) -> Placement:
        with self._lock:
            if self._placement is None:
                self._placement = self._inner.place(job, waiting)
            return self._placement

    def open(self, job: Work) -> int:
        """Make ready for as many workers as a job asks for that has its place; their number, 0: one job after another.

        Called before there are threads: Ray puts its handlers of signals in place.
        """
        there = self.place(job, Waiting())
        if not self._is_known:
            return 0
        if there.workers:
            if not ray.is_initialized():
                num_cpus = max(there.workers * there.device.threads, count_cpus())
                start_private(num_cpus, max(4, there.workers) * OBJECT_BYTES)
            self._vigil = watch_ray()
            self._crew.size = there.workers
        return there.workers

    def start(self, asked: Start) -> tuple[Executor, Vigil]:
        if not self._is_known:
            return self._inner.start(asked)
        if not asked.workers:
            return LocalExecutor(self._workshop.build(asked.setup)), self._vigil
        regions = asked.plan.regions
        pools = plan_pools(asked.plan, min(asked.workers, regions.rows * regions.cols), 0)
        executor = LentExecutor(
            self._crew,
            asked.job.output,
            pools,
            asked.setup,
            asked.graph,
            self._vigil.check,
            most_wait_s=asked.job.wait,
        )
        return executor, self._vigil

    def measure(self, plan: Plan) -> float:
        return self._inner.measure(plan)

    def announce(self, outputs: Iterable[str]) -> None:
        """The jobs that will come, by what they write."""
        self._crew.announce(outputs)

    def dismiss(self, output: str) -> None:
        """A job is over."""
        self._crew.dismiss(output)

    def close(self) -> None:
        """End all workers."""
        if self._vigil.look() is None:
            self._crew.close()


def _end(handle: Any) -> None:
    ray.kill(handle, no_restart=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class LentJob(Job):
    """A job that computes where others do, too."""

    backend: WarmBackend

    @classmethod
    def of(cls, job: Job, backend: WarmBackend) -> LentJob:
        """The same job, there."""
        return cls(**{one.name: getattr(job, one.name) for one in fields(Job)}, backend=backend)


@contextmanager
def opened(inner: Backend) -> Iterator[WarmBackend]:
    """A warm backend, whose workers end with the block."""
    warm = WarmBackend(inner)
    try:
        yield warm
    finally:
        warm.close()
