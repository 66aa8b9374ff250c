"""Whether anybody is at work on a run, for those who only read it: see lease.py for who is allowed to.

Nothing is written, and no two clocks are compared. On the holder's own machine its process is looked up; elsewhere its
counter is watched by the reader's clock, and a counter that stands still for QUIET_S means that nobody beats it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from storage.objects.root import ObjectRoot

from .lease import current_generation, heartbeat, is_released, read_holder
from .process import SYSTEM, ProcessTable, identify, is_gone

QUIET_S = 10.0
"""seconds without a heartbeat, which comes every second or two, after which a holder is taken to be gone"""


class Hold(StrEnum):
    """What is seen of a run's lease."""

    NONE = "none"
    """nobody ever took it"""
    RELEASED = "released"
    """given back in good order"""
    HELD = "held"
    """the holder beats"""
    GONE = "gone"
    """the holder's process was on this machine and is there no more"""
    SILENT = "silent"
    """the holder's counter has stood still for QUIET_S"""
    UNSEEN = "unseen"
    """not watched for long enough"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """One look at a lease."""

    hold: Hold
    generation: int = 0
    holder: dict[str, Any] = field(default_factory=dict)
    """the lease's record; empty where there is none, or where it is damaged"""


@dataclass(slots=True, kw_only=True)
class Watch:
    """Looks at a run's lease again and again, and remembers since when its counter has stood still."""

    root: ObjectRoot
    clock: Callable[[], float] = time.monotonic
    """seconds of this process; any start"""
    table: ProcessTable = SYSTEM
    quiet_s: float = QUIET_S
    _seen: tuple[int, bytes] | None = None
    _since: float = 0.0
    _moved: bool = False

    def look(self) -> Sighting:
        """What is to be seen now: UNSEEN at first, where only the counter can tell."""
        generation = current_generation(self.root)
        if not generation:
            return Sighting(hold=Hold.NONE)
        holder = read_holder(self.root, generation)
        return Sighting(hold=self._judge(generation, holder), generation=generation, holder=holder)

    def _judge(self, generation: int, holder: dict[str, Any]) -> Hold:
        if is_released(self.root, generation):
            return Hold.RELEASED
        if holder and is_gone(holder, identify(self.table), self.table):
            return Hold.GONE
        beat, now = (generation, heartbeat(self.root, generation)), self.clock()
        if beat != self._seen:
            # the first of a generation only begins the watch
            self._moved = self._seen is not None and self._seen[0] == generation
            self._seen, self._since = beat, now
        if now - self._since >= self.quiet_s:
            return Hold.SILENT
        return Hold.HELD if self._moved else Hold.UNSEEN
