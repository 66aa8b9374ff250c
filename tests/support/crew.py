"""Several workers in this process that greet, fail and are replaced as a test says: the oracle with company."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from actors.executors.local import LocalExecutor
from actors.executors.protocol import Event, TaskFailed, WorkerJoined, WorkerLost
from actors.schedule.attempt import Attempt
from actors.schedule.task import Fault, Kind
from actors.work.worker import Worker
from storage.errors import MissingRegionError


class Crew(LocalExecutor):
    """``w0``, ``w1``, ... share one Worker and take turns; ``w0'`` comes after ``w0`` where it renews."""

    def __init__(
        self,
        worker: Worker,
        size: int,
        *,
        fails: Callable[[Attempt], str | None] = lambda _attempt: None,
        renews: bool = False,
        hellos: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        """``fails`` gives the reason why an attempt fails; ``hellos`` what workers say otherwise of themselves."""
        super().__init__(worker)
        self._greeted, self._fails, self._renews, self._hellos = True, fails, renews, hellos or {}
        self.renewed: list[str] = []
        self.refused: list[str] = []
        self.discarded: list[Attempt] = []
        self.events: list[Event] = []
        self.names = [f"w{number}" for number in range(size)]
        for name in self.names:
            self._greet(name)

    def _greet(self, name: str) -> None:
        hello = dataclasses.replace(self._worker.hello(), **self._hellos.get(name, {}))
        self.events.append(WorkerJoined(worker=name, kinds=frozenset(Kind), hello=hello))

    def wait(self, timeout: float) -> list[Event]:
        if self.events:
            return [self.events.pop(0)]
        if not self._waiting:
            return []
        attempt, inputs = self._waiting[0]
        if any(part.maker not in self._contributions for part in inputs):
            self._waiting.popleft()
            return [TaskFailed(worker=attempt.worker, attempt=attempt, reason="too late", fault=Fault.INPUTS)]
        reason = self._fails(attempt)
        if reason is None:
            try:
                return [dataclasses.replace(event, worker=attempt.worker) for event in super().wait(timeout)]
            except MissingRegionError as e:
                # a late attempt's inputs may be deleted by then
                return [TaskFailed(worker=attempt.worker, attempt=attempt, reason=str(e))]
        self._waiting.popleft()
        return [TaskFailed(worker=attempt.worker, attempt=attempt, reason=reason)]

    def submit(self, attempt: Attempt, inputs: Sequence[Any]) -> None:
        assert attempt.worker in self.names, "a task for a worker that is gone"
        super().submit(attempt, inputs)

    def discard(self, attempt: Attempt) -> None:
        self.discarded.append(attempt)
        super().discard(attempt)

    @property
    def made(self) -> dict[int, Any]:
        """What was made and neither accepted nor discarded, by attempt."""
        return self._made

    def kill(self, worker: str, reason: str) -> None:
        self.names.remove(worker)
        self._waiting = type(self._waiting)(one for one in self._waiting if one[0].worker != worker)
        self.events.append(WorkerLost(worker=worker, reason=reason))

    def refuse(self, worker: str, reason: str) -> bool:
        self.refused.append(worker)
        self.kill(worker, reason)
        return bool(self.names)

    def renew(self, worker: str, reason: str) -> bool:
        if self._renews:
            self.renewed.append(worker)
            self.kill(worker, reason)
            self.names.append(f"{worker}'")
            self._greet(f"{worker}'")
        return self._renews
