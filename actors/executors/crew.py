"""A crew: workers that outlive a run, so that the next one finds its model loaded. Each works for one run at a time.

A run without a worker goes before one that has some: that gets a second one when no other run will ask for it. Ray
stays outside: a worker is whatever the executor makes of it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Seat:
    """The right to one worker."""

    worker: Any = None
    """one that is there; None: one may be started"""


@dataclass(slots=True)
class Crew:
    """Lends up to ``size`` workers; runs in several threads ask at once."""

    size: int
    end: Callable[[Any], None]
    """ends a worker"""
    _idle: list[Any] = field(default_factory=list, init=False)
    _num_lent: int = field(default=0, init=False)
    _coming: set[str] = field(default_factory=set, init=False)
    """runs that were announced, and have no worker yet"""
    _changed: threading.Condition = field(default_factory=threading.Condition, init=False)

    def announce(self, runs: Iterable[str]) -> None:
        """Runs that will ask for a worker, by any name."""
        with self._changed:
            self._coming |= set(runs)

    def dismiss(self, run: str) -> None:
        """A run will not ask any more."""
        with self._changed:
            self._coming.discard(run)
            self._changed.notify_all()

    def ask(self, run: str, held: int) -> Seat | None:
        """A worker for a run that has ``held`` of them; None where there is none for it now."""
        with self._changed:
            if (held and self._coming - {run}) or self._num_lent >= self.size:
                return None
            self._num_lent += 1
            self._coming.discard(run)
            return Seat(worker=self._idle.pop() if self._idle else None)

    def take_back(self, workers: Iterable[Any], num_ended: int = 0) -> None:
        """Workers of a run that is over; ``num_ended``: of it, too, which are no more."""
        with self._changed:
            there = list(workers)
            self._idle += there
            self._num_lent -= len(there) + num_ended
            self._changed.notify_all()

    def lose(self, run: str, held: int) -> None:
        """A run's worker is gone, and it has ``held`` others: another may be started."""
        with self._changed:
            self._num_lent -= 1
            if not held:
                self._coming.add(run)
            self._changed.notify_all()

    def wait(self, timeout: float) -> None:
        """Until something is given back, or so many seconds."""
        with self._changed:
            self._changed.wait(timeout)

    def close(self) -> None:
        """End the workers that nobody has."""
        with self._changed:
            while self._idle:
                self.end(self._idle.pop())
