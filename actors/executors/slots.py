"""Places for workers: each is filled again when its worker is gone, later and later where that goes wrong.

A place stands for what Ray gives a worker, such as a GPU: who comes next is likely to get the same. Clock and Ray stay
outside.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from actors.schedule.task import Kind

FIRST_DELAY, LONGEST_DELAY = 1.0, 60.0
"""seconds until a place is filled again; they double with each of its workers in a row that was of no use"""
MOST_START_FAILURES = 4
"""workers in a row that may fail to start where nobody works"""
MOST_IN_A_SLOT = 8
"""the same for one place, where others have not been heard of yet: they load, or wait for room in the cluster"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """Workers of one sort."""

    name: str
    size: int
    kinds: frozenset[Kind]
    num_cpus: float
    """logical CPUs that each reserves; also its thread count"""
    num_gpus: float = 0.0
    memory: int = 0
    """bytes that each reserves of its node; 0 where somebody has seen to it that they are there"""


@dataclass(slots=True, kw_only=True, eq=False)
class Slot:
    """One place of a pool."""

    pool: Pool
    due: float | None = 0.0
    """when to start a worker here; None while there is one"""
    works: bool = False
    """whether its worker has said hello"""
    is_proven: bool = False
    """whether its worker has finished a task"""
    failures: int = 0
    """workers in a row that were gone before they finished a task"""


class Slots:
    """The places of all pools."""

    def __init__(self, pools: Sequence[Pool]) -> None:
        self._slots = [Slot(pool=pool) for pool in pools for _ in range(pool.size)]
        self.start_failures = 0
        """workers in a row that were gone before they said hello"""

    def fill(self, now: float) -> list[Slot]:
        """The places in which a worker is to be started now."""
        due = [slot for slot in self._slots if slot.due is not None and slot.due <= now]
        for slot in due:
            slot.due = None
        return due

    def greet(self, slot: Slot) -> None:
        """The worker of a place has said hello."""
        slot.works = True
        self.start_failures = 0

    def prove(self, slot: Slot) -> None:
        """The worker of a place has finished a task."""
        slot.is_proven, slot.failures = True, 0

    def vacate(self, slot: Slot, now: float) -> float:
        """The worker of a place is gone: another is due in so many seconds."""
        self.start_failures += not slot.works
        slot.failures += not slot.is_proven
        slot.works = slot.is_proven = False
        delay = min(LONGEST_DELAY, FIRST_DELAY * 2.0 ** (slot.failures - 1)) if slot.failures else 0.0
        slot.due = now + delay
        return delay

    def close(self, pool: Pool) -> None:
        """Give up the places of a pool."""
        self._slots = [slot for slot in self._slots if slot.pool != pool]

    def have_failed(self, slot: Slot) -> bool:
        """Whether workers fail to start again and again, and there is no more hope for the work of a place."""
        return self.start_failures >= MOST_START_FAILURES and self.are_hopeless(slot)

    def are_hopeless(self, slot: Slot) -> bool:
        """Whether nobody works at some kind of a place's tasks, or is on the way to but where it went wrong before.

        Places that were never heard of can wait for room in the cluster for ever: they count for a while only.
        """
        able = ([one for one in self._slots if kind in one.pool.kinds] for kind in slot.pool.kinds)
        return any(map(_are_given_up, able))


def _are_given_up(slots: Sequence[Slot]) -> bool:
    failures = [slot.failures for slot in slots]
    return not any(slot.works for slot in slots) and (all(failures) or max(failures) >= MOST_IN_A_SLOT)
