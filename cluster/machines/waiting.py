"""Waiting for a cluster: told, to be stopped at once, and for ever unless somebody said for how long."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from actors.executors.protocol import NoRoomError
from actors.stopping import StoppedError
from cluster.console.screen import err

log = logging.getLogger(__name__)

LOOK_SECONDS = 0.2
"""between two questions whether to stop"""
FIRST_SECONDS, TELL_SECONDS = 5.0, 30.0
"""until it is told that, and for what, is waited; and between two such lines"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """How something of a cluster is waited for."""

    should_stop: Callable[[], bool] = lambda: False
    say: Callable[[str], None] = err.print
    """told now and then what is waited for"""
    most_s: float | None = None
    """None: for ever"""
    clock: Callable[[], float] = time.monotonic

    @classmethod
    def of(cls, should_stop: Callable[[], bool], *, is_told: bool) -> Waiting:
        """On the terminal where ``is_told``, else in the log."""
        return cls(should_stop=should_stop, say=err.print if is_told else log.info)

    def up_to(self, seconds: float | None) -> Waiting:
        """The same for so long at most."""
        return replace(self, most_s=seconds)

    def until(self, look: Callable[[float], bool], what: Callable[[], str]) -> None:
        """Return when ``look``, which blocks for up to the seconds that it is given, says so.

        ``what`` is waited for, in words. Raises StoppedError where it is asked to stop, and NoRoomError, one line,
        after ``most_s``.
        """
        began = self.clock()
        due = began + FIRST_SECONDS
        while not look(LOOK_SECONDS):
            if self.should_stop():
                raise StoppedError("stopped")
            now = self.clock()
            if self.most_s is not None and now - began >= self.most_s:
                raise NoRoomError(f"after {self.most_s:g} s (--wait) this still waits for {what()}")
            if now >= due:
                due = now + TELL_SECONDS
                self.say(f"waits for {what()}; since {now - began:.0f} s")
