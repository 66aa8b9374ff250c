"""Tasks handed out: who has what since when, and how long it may take."""

from __future__ import annotations

from dataclasses import dataclass, field

from .patience import Patience
from .task import Kind, Outcome, Task
from .workload import Workload, sort_of


@dataclass(slots=True, kw_only=True)
class Attempt:
    """One handing-out of a task."""

    task: Task
    number: int
    worker: str
    deadline: float
    """when it is late, as far as was known when it was handed out; see Coordinator.overdue"""
    started: float = 0.0
    """when its time began to count"""
    ahead: tuple[Task, ...] = ()
    """what its worker had in hand before it then"""
    late: bool = False
    shared: bool = False
    """offered to others though it is not late"""
    sums: dict[str, int] = field(default_factory=dict)
    """the journal's checksums of blobs that the task may read, by name; filled in when it is handed out"""


@dataclass(slots=True, kw_only=True)
class Member:
    """A worker as the coordinator knows it."""

    kinds: frozenset[Kind]
    attempts: dict[int, Attempt] = field(default_factory=dict)
    has_done: set[tuple[Kind, int]] = field(default_factory=set)
    """sorts of tasks that it has finished once"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """A durable result that waits for its journal record."""

    task: Task
    attempt: int
    worker: str
    outcome: Outcome


def lease(attempt: Attempt, member: Member, patience: Patience, workload: Workload) -> float:
    """Seconds that a task may take, the wait behind all that its worker had in hand among them."""
    tasks = (*attempt.ahead, attempt.task)
    seconds = workload.seconds(attempt.task)
    if not all(workload.seconds(task) for task in tasks):
        return patience.lease_first
    expected = max(patience.in_flight * seconds, sum(workload.seconds(task) for task in tasks))
    if all(sort_of(task) in member.has_done for task in tasks):
        return max(patience.lease_floor, patience.lease_factor * expected)
    slowest = max(expected, sum(workload.slowest(task) for task in tasks))
    return max(patience.lease_floor, patience.lease_factor * slowest) + patience.lease_warmup


def is_young(attempt: Attempt, patience: Patience, now: float) -> bool:
    """Whether a task was begun so lately that no lease can have ended, and nobody else need show what it takes."""
    soonest = min(patience.lease_floor, patience.lease_first)
    is_leased = now < min(attempt.deadline, attempt.started + soonest)
    return is_leased and now - attempt.started < patience.lease_idle
