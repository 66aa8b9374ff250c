"""What a sitting has done so far, for people and benchmarks."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field

from actors.schedule.task import Kind, Outcome, Task
from actors.timeline import Timeline


@dataclass(slots=True, kw_only=True)
class Tally:
    """What has been done so far in this sitting, for people and benchmarks."""

    done: Counter[Kind] = field(default_factory=Counter)
    seconds: dict[Kind, float] = field(default_factory=lambda: defaultdict(float))
    backbone_seconds: float = 0.0
    forwards: int = 0
    """tiles that went through the model; what an activity spared is not among them"""
    peak_bytes: int = 0
    num_workers: int = 0
    requeues: dict[str, int] = field(default_factory=dict)
    first_join: float | None = None
    """time.monotonic() when the first worker was admitted"""
    joined: dict[str, float] = field(default_factory=dict)
    """time.monotonic() at which each present worker was admitted"""
    past_worker_seconds: float = 0.0
    """presence of workers that are gone"""
    timeline: Timeline | None = None
    """what else is told of it all"""

    @property
    def worker_seconds(self) -> float:
        """Seconds that workers were there for, idle or busy, all together."""
        now = time.monotonic()
        return self.past_worker_seconds + sum(now - start for start in self.joined.values())

    def admit(self, worker: str) -> None:
        """A worker is let in: its clock runs."""
        now = self.joined[worker] = time.monotonic()
        self.first_join = now if self.first_join is None else self.first_join
        self.note("joined", worker)

    def note(self, what: str, worker: str = "", text: str = "") -> None:
        """Something for the timeline."""
        if self.timeline is not None:
            self.timeline.note(what, worker, text)

    def flush(self, *, at_once: bool = False) -> None:
        """Write the timeline where that is due; see Timeline.flush."""
        if self.timeline is not None:
            self.timeline.requeues = dict(self.requeues)
            self.timeline.flush(at_once=at_once)

    def count(self, worker: str, task: Task, outcome: Outcome, *, counts: bool) -> None:
        """A worker has ended a task; ``counts``: and its result is of use."""
        if self.timeline is not None:
            self.timeline.note_task(worker, task, outcome, counts=counts)
        if not counts:
            return
        kind = task.kind
        self.done[kind] += 1
        self.seconds[kind] += outcome.seconds
        self.backbone_seconds += outcome.backbone_seconds
        self.forwards += outcome.forwards
        self.peak_bytes = max(self.peak_bytes, outcome.peak_bytes)

    def dismiss(self, worker: str, reason: str = "") -> None:
        """A worker is gone: its clock stops."""
        if worker in self.joined:
            self.past_worker_seconds += time.monotonic() - self.joined.pop(worker)
            self.note("gone", worker, reason)
