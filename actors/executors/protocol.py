"""What the driving loop asks of an executor, and the events it gets back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from actors.schedule.attempt import Attempt
from actors.schedule.task import Fault, Hello, Kind, Outcome, Part, Task

if TYPE_CHECKING:
    from .staffing import Staffing


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerJoined:
    worker: str
    kinds: frozenset[Kind]
    hello: Hello


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerLost:
    worker: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskDone:
    worker: str
    attempt: Attempt
    outcome: Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskFailed:
    worker: str
    attempt: Attempt
    reason: str
    fault: Fault = Fault.WORKER


Event = WorkerJoined | WorkerLost | TaskDone | TaskFailed


class WorkersExhaustedError(RuntimeError):
    """Workers fail to start again and again, so the run cannot go on; what is computed stays."""


class NoRoomError(WorkersExhaustedError):
    """No worker was given a place for as long as the run may wait; what is computed stays."""


class RayDiedError(RuntimeError):
    """Ray's own processes on this machine are gone, and with them all workers; what is computed stays."""


class Executor(Protocol):
    """Runs tasks on workers and holds their contributions; the coordinator sees neither tensors nor references."""

    def submit(self, attempt: Attempt, inputs: Sequence[Part]) -> None:
        """Start an attempt; ``inputs`` are the contributions that a merge reads, in plan order."""
        ...

    def accept(self, attempt: Attempt) -> None:
        """Keep this attempt's contributions as the ones that merges read."""
        ...

    def discard(self, attempt: Attempt) -> None:
        """Drop what an attempt made: another attempt's counts."""
        ...

    def release(self, task: Task) -> None:
        """Drop a task's contributions."""
        ...

    def wait(self, timeout: float) -> list[Event]:
        """What happened since the last call; blocks up to ``timeout`` seconds where nothing has."""
        ...

    def kill(self, worker: str, reason: str) -> None:
        """End a worker that hangs; WorkerLost follows and, if it should, a replacement."""
        ...

    def refuse(self, worker: str, reason: str) -> bool:
        """End a worker that is not admitted. False where no other works, or is on the way and may do better."""
        ...

    def renew(self, worker: str, reason: str) -> bool:
        """Replace a worker that failed a task: a GPU's error can stay with its process for good.

        False where no other can be started, and the worker goes on.
        """
        ...

    def retire(self, kind: Kind) -> None:
        """No task of this kind is left: a pool that does nothing else can go."""
        ...

    def staffing(self) -> Staffing:
        """Which workers have a place, and what the others wait for."""
        ...

    def close(self) -> None: ...
