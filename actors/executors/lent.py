"""LentExecutor: a RayExecutor whose actors belong to a crew, and go on to the next run when this one is over."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import ray

from actors.schedule.graph import Graph
from actors.work.building import WorkerSetup

from .crew import Crew
from .protocol import RayDiedError
from .ray import RayExecutor, _Actor
from .slots import Pool, Slot


class LentExecutor(RayExecutor):
    """Its places are filled as the crew has workers for them; see Executor."""

    def __init__(
        self,
        crew: Crew,
        run: str,
        pools: Sequence[Pool],
        setup: WorkerSetup,
        graph: Graph,
        check: Callable[[], None] = lambda: None,
        *,
        most_wait_s: float | None = None,
    ) -> None:
        """``run``: the name by which the crew knows it. ``most_wait_s``: see Queueing."""
        self._crew, self._run = crew, run
        super().__init__(pools, setup, graph, check, most_wait_s=most_wait_s)

    def _fill(self) -> None:
        for slot in self._slots.fill(time.monotonic()):
            seat = self._crew.ask(self._run, len(self._actors))
            if seat is None:
                slot.due = 0.0  # asked for again
            elif seat.worker is None:
                self._start(slot)
            else:
                self._adopt(slot, seat.worker)

    def _adopt(self, slot: Slot, handle: Any) -> None:
        self._num_started += 1
        greeting = handle.take_up.remote(self._setup)
        self._actors[f"{slot.pool.name}-{self._num_started}"] = _Actor(
            slot=slot, handle=handle, place=None, greeting=greeting
        )

    def _collect(self, owners: dict[Any, str], timeout: float) -> None:
        if owners:
            super()._collect(owners, timeout)
        else:
            self._crew.wait(timeout)

    def _lose(self, name: str, reason: str) -> None:
        self._crew.lose(self._run, len(self._actors) - 1)
        super()._lose(name, reason)

    def close(self) -> None:
        """Give the actors back; one that still has something to do for this run is ended, and another takes its place.

        Of a Ray that died there are none to give back.
        """
        try:
            self._check()
        except RayDiedError:
            return
        free = [actor.handle for actor in self._actors.values() if actor.greeting is None and not actor.runs]
        for actor in self._actors.values():
            if actor.handle not in free:
                ray.kill(actor.handle, no_restart=True)
        self._crew.take_back(free, len(self._actors) - len(free))
        self._crew.dismiss(self._run)
        self._actors.clear()
        self._contributions.clear()
