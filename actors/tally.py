"""What a sitting has done so far, for people and benchmarks."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field

from actors.executors.staffing import Staffing
from actors.schedule.task import Kind, Outcome


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
    staffing: Staffing | None = None
    """which workers have a place; None before it was asked"""
    requeues: dict[str, int] = field(default_factory=dict)
    first_join: float | None = None
    """time.monotonic() when the first worker was admitted"""
    joined: dict[str, float] = field(default_factory=dict)
    """time.monotonic() at which each present worker was admitted"""
    past_worker_seconds: float = 0.0
    """presence of workers that are gone"""

    @property
    def worker_seconds(self) -> float:
        """Seconds that workers were there for, idle or busy, all together."""
        now = time.monotonic()
        return self.past_worker_seconds + sum(now - start for start in self.joined.values())

    def count(self, kind: Kind, outcome: Outcome) -> None:
        """A task is finished."""
        self.done[kind] += 1
        self.seconds[kind] += outcome.seconds
        self.backbone_seconds += outcome.backbone_seconds
        self.forwards += outcome.forwards
        self.peak_bytes = max(self.peak_bytes, outcome.peak_bytes)

    def dismiss(self, worker: str) -> None:
        """A worker is gone: its clock stops."""
        if worker in self.joined:
            self.past_worker_seconds += time.monotonic() - self.joined.pop(worker)
