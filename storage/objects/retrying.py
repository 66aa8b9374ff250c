"""Asking a store again: what is passing is waited out for a stated time, then the first error is the one that is told.

Object stores answer now and then with nothing, half a body, 500, 503 or a conflict; networks fail for a minute. Every
operation of the run store can be repeated, so repeating is all that there is to do.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

T = TypeVar("T")
_FIRST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 5.0
_MOMENT_S = 2.0


@dataclass(kw_only=True)
class Retries:
    """How long one store is asked again; one object a store and process, shared by its threads.

    A store that answered once is waited for ``seconds``. One that never did is more likely a mistake in its address:
    ``first_seconds``. One that was given up on is asked once, until it answers again, so that a command which ends
    because of it ends.
    """

    seconds: float = 120.0
    first_seconds: float = 15.0
    clock: Callable[[], float] = field(default=time.monotonic, repr=False)
    sleep: Callable[[float], None] = field(default=time.sleep, repr=False)
    jitter: Callable[[], float] = field(default=random.random, repr=False)
    """in [0, 1): many workers do not all come back at one moment"""
    on_wait: Callable[[], None] = field(default=lambda: None, repr=False)
    """called in the main thread while an operation waits for longer than a moment; may raise, which ends the waiting"""
    _answered: bool = field(default=False, init=False)
    _given_up: bool = field(default=False, init=False)

    @property
    def patience(self) -> float:
        """Seconds that an operation which begins now may go on for."""
        if self._given_up:
            return 0.0
        return self.seconds if self._answered else self.first_seconds

    @property
    def answered(self) -> bool:
        """Whether the store has answered: what it is sent to need not doubt its address."""
        return self._answered

    def begin(self) -> Attempts:
        return Attempts(self, self.patience)

    def note_answer(self) -> None:
        self._answered, self._given_up = True, False

    def give_up(self) -> None:
        self._given_up = True


class Attempts:
    """One operation's tries."""

    def __init__(self, retries: Retries, patience: float) -> None:
        self._retries = retries
        self.patience = patience
        self._started = retries.clock()
        self._count = 0
        self.first: Exception | None = None
        """the error of the first failed try"""

    @property
    def elapsed(self) -> float:
        return self._retries.clock() - self._started

    def wait(self, error: Exception) -> bool:
        """Sleep before the next try; False, at once, where there is to be none."""
        self.first = self.first or error
        pause = min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2**self._count) * (0.5 + 0.5 * self._retries.jitter())
        self._count += 1
        if self.elapsed + pause > self.patience:
            self._retries.give_up()
            return False
        if self.elapsed > _MOMENT_S and threading.current_thread() is threading.main_thread():
            self._retries.on_wait()
        self._retries.sleep(pause)
        return True


def read_again(read: Callable[[], T], *errors: type[Exception], times: int = 3) -> T:
    """What ``read`` returns, tried again where it raises one of ``errors``: a bit may have been lost on the way.

    Only then is something called damaged. The last try's error is raised.
    """
    for _ in range(times - 1):
        try:
            return read()
        except errors:
            continue
    return read()
