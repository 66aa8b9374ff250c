"""How much work tasks are, and how long they take: what their balance and their leases are reckoned by."""

from __future__ import annotations

import statistics
from collections import defaultdict, deque
from collections.abc import Mapping

from .task import Kind, Outcome, Task

LEAST_WORK = 0.05
"""share of a full task's work below which a task's seconds are mostly not the model's"""
REMEMBERED = 64
"""seconds of tasks of one sort, the latest"""


class Workload:
    """What finished tasks tell of those to come."""

    def __init__(self, active: Mapping[int, tuple[int, ...]]) -> None:
        """``active``: what earlier sittings' prepare tasks said of their regions, see Outcome.active."""
        self._active: dict[int, tuple[int, ...]] = {}
        self._most_active = 1
        self._seconds: dict[tuple[Kind, int], deque[float]] = defaultdict(lambda: deque(maxlen=REMEMBERED))
        self._medians: dict[tuple[Kind, int], float] = {}
        """as long as nothing comes to what they are of: each task in hand asks for one whenever leases are looked at"""
        for region, counts in active.items():
            self._learn(region, counts)

    @property
    def is_uneven(self) -> bool:
        """Whether some tasks are known to be lighter than others."""
        return bool(self._active)

    def share(self, task: Task) -> float:
        """A task's share of the work that the busiest region's busiest step is: only the model's passes count."""
        if task.kind is not Kind.DENOISE:
            return 0.0 if task.kind in (Kind.MERGE, Kind.REDUCE) else 1.0
        active = self._active.get(task.region)
        return active[task.step] / self._most_active if active else 1.0

    def record(self, task: Task, outcome: Outcome) -> None:
        """A task has finished."""
        # what an idle region's task took says nothing of a busy one's
        share = self.share(task) if task.kind is Kind.DENOISE else 1.0
        if share > LEAST_WORK:
            self._seconds[sort_of(task)].append(outcome.seconds / share)
            self._medians.pop(sort_of(task), None)
        if outcome.active:
            self._learn(task.region, outcome.active)

    def seconds(self, task: Task) -> float:
        """Median of what tasks of this sort took; 0 where none has finished yet."""
        sort = sort_of(task)
        if sort not in self._medians:
            times = self._seconds[sort]
            self._medians[sort] = statistics.median(times) if times else 0.0
        return self._medians[sort]

    def slowest(self, task: Task) -> float:
        """The most that a task of this sort took of late, such as somebody's first; 0 where none has finished yet."""
        return max(self._seconds[sort_of(task)], default=0.0)

    def _learn(self, region: int, active: tuple[int, ...]) -> None:
        self._active[region] = active
        self._most_active = max(self._most_active, *active)


def sort_of(task: Task) -> tuple[Kind, int]:
    """Tasks that take about the same time: each reduction measures something else."""
    return task.kind, task.step if task.kind in (Kind.MEASURE, Kind.REDUCE) else 0
