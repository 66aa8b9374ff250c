"""What a sitting has done so far, for people and benchmarks."""

from __future__ import annotations

import logging
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field

from actors.executors.staffing import Staffing
from actors.schedule.coordinator import Coordinator
from actors.schedule.task import Kind, Outcome, Task
from actors.timeline import Timeline

log = logging.getLogger(__name__)

WATCH_SECONDS = 0.5
"""between two looks at who waits"""


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
    frontier: tuple[int, int] | None = None
    """the least and the most step that some region's latents are at; None before there are any"""
    waiting_seconds: float = 0.0
    """of workers with nothing to do, all together, by samples"""
    traffic: dict[str, tuple[int, int]] = field(default_factory=dict)
    """bytes read from the run's store and written to it, by worker"""
    watched: float | None = None
    """when the coordinator was last looked at"""
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

    def watch(self, coordinator: Coordinator, now: float) -> None:
        """Look at who waits, and at how far regions are apart, right after tasks were handed out; now and then."""
        since = 0.0 if self.watched is None else now - self.watched
        if self.watched is not None and since < WATCH_SECONDS:
            return
        self.watched = now
        self.waiting_seconds += since * sum(not member.attempts for member in coordinator.members.values())
        steps = [step for step, num in coordinator.items.live.items() if num]
        self.frontier = (min(steps), max(steps)) if steps else None

    def note(self, what: str, worker: str = "", text: str = "") -> None:
        """Something for the timeline, and for the log, which hears of stages from who announces them."""
        if what != "stage":
            log.info("%s %s%s", what, worker, text and f": {text}", extra={"event": what, "worker": worker})
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
        kind, self.traffic[worker] = task.kind, (outcome.bytes_read, outcome.bytes_written)
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
