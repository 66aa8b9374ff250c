"""Killing: an executor that strikes after a number of finished tasks, and processes that are killed halfway."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Sequence
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any

from actors.executors.protocol import Event, Executor, TaskDone, WorkerJoined
from actors.executors.staffing import Staffing
from actors.schedule.attempt import Attempt
from actors.schedule.task import Kind, Part, Task


def count_merges(run: Path) -> int:
    """Journalled merges; entries still being written have longer names."""
    return sum(entry.read_text().count('"merge"') for entry in (run / "journal").glob("[0-9]" * 8))


def hold(run: Path, merges: int) -> bool:
    """Asked between tasks by a process that is to be killed: it never ends by itself, however slow its killer is.

    Waits for ever once more merges are journalled than ``merges``, which is when the killer strikes.
    """
    if count_merges(run) > merges:
        signal.pause()
    return False


def kill_after(
    server: ForkServerContext, target: Callable[..., Any], args: tuple[Any, ...], *, run: Path, merges: int
) -> bool:
    """Call ``target`` in a process that is killed once so many merges of a run are journalled; whether it was at work
    still."""
    process = server.Process(target=target, args=args)
    process.start()
    deadline = time.monotonic() + 1200
    while count_merges(run) < merges and process.is_alive() and time.monotonic() < deadline:
        time.sleep(0.005)
    was_alive = process.is_alive()
    process.kill()
    process.join()
    return was_alive


class KillingExecutor:
    """Forwards everything; after the counts in ``strikes`` of finished denoise tasks it calls ``strike``."""

    def __init__(self, inner: Executor, strikes: Sequence[int], strike: Callable[[KillingExecutor], None]) -> None:
        self.inner = inner
        self.strikes = list(strikes)
        self.strike = strike
        self.pids: dict[str, int] = {}
        self.num_done = 0
        self.num_struck = 0

    def submit(self, attempt: Attempt, inputs: Sequence[Part]) -> None:
        self.inner.submit(attempt, inputs)

    def accept(self, attempt: Attempt) -> None:
        self.inner.accept(attempt)

    def discard(self, attempt: Attempt) -> None:
        self.inner.discard(attempt)

    def release(self, task: Task) -> None:
        self.inner.release(task)

    def wait(self, timeout: float) -> list[Event]:
        events = self.inner.wait(timeout)
        for event in events:
            if isinstance(event, WorkerJoined):
                self.pids[event.worker] = event.hello.pid
            elif isinstance(event, TaskDone) and event.attempt.task.kind is Kind.DENOISE:
                self.num_done += 1
        tiles_up = any(name.startswith("tile") for name in self.pids)
        while self.strikes and self.num_done >= self.strikes[0] and tiles_up:
            self.strikes.pop(0)
            self.num_struck += 1
            self.strike(self)
        return events

    def kill(self, worker: str, reason: str) -> None:
        self.inner.kill(worker, reason)

    def refuse(self, worker: str, reason: str) -> bool:
        return self.inner.refuse(worker, reason)

    def renew(self, worker: str, reason: str) -> bool:
        return self.inner.renew(worker, reason)

    def retire(self, kind: Kind) -> None:
        self.inner.retire(kind)

    def staffing(self) -> Staffing:
        return self.inner.staffing()

    def close(self) -> None:
        self.inner.close()

    def send(self, number: signal.Signals) -> None:
        """Signal the youngest tile worker."""
        worker = [name for name in self.pids if name.startswith("tile")][-1]
        os.kill(self.pids.pop(worker), number)
