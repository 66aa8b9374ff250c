"""Notes for a run's timeline, written to its store now and then: see storage/timeline.py."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from actors.schedule.task import Outcome, Task
from storage.objects.root import ObjectRoot
from storage.timeline import Columns, Happening, Segment, write_segment

FLUSH_SECONDS = 30.0
"""between two segments: what a killed coordinator's timeline lacks at most"""
MOST_TASKS = 20_000
"""in a segment"""


@dataclass(slots=True, kw_only=True)
class Timeline:
    """The timeline of one coordinator."""

    root: ObjectRoot
    generation: int
    """of its lease: no two write the same segments"""
    clock: Callable[[], float] = time.time
    requeues: dict[str, int] = field(default_factory=dict)
    """tasks handed out again so far, by cause; kept up by the tally"""
    _tasks: list[tuple[Any, ...]] = field(default_factory=list)
    _happenings: list[Happening] = field(default_factory=list)
    _written: float = 0.0
    _number: int = 0

    def __post_init__(self) -> None:
        self._written = self.clock()

    def note_task(self, worker: str, task: Task, outcome: Outcome, *, counts: bool) -> None:
        """A worker has ended a task; ``counts``: and its result is of use."""
        now = self.clock()
        ended = outcome.ended or now
        seconds, backbone = round(outcome.seconds, 4), round(outcome.backbone_seconds, 4)
        row = (str(task.kind), task.step, task.region, worker, round(ended, 4), seconds, backbone)
        self._tasks.append((*row, round(now - ended, 4), counts))

    def note(self, what: str, worker: str = "", text: str = "") -> None:
        """Something else has happened; see Happening."""
        self._happenings.append(Happening(time=self.clock(), what=what, worker=worker, text=text))

    def flush(self, *, at_once: bool = False) -> None:
        """Write what was noted where that is due. Raises OSError where the store does not take it: it is kept."""
        is_due = self.clock() - self._written >= FLUSH_SECONDS or len(self._tasks) >= MOST_TASKS
        if not (is_due or at_once) or not (self._tasks or self._happenings):
            return
        write_segment(self.root, self._segment())
        self._number, self._written = self._number + 1, self.clock()
        self._tasks.clear()
        self._happenings.clear()

    def _segment(self) -> Segment:
        kind, step, region, names, *rest = zip(*self._tasks, strict=True) if self._tasks else ((),) * 9
        workers = tuple(dict.fromkeys(names))
        places = {name: place for place, name in enumerate(workers)}
        ended, seconds, backbone, lag, counts = rest
        tasks = Columns(
            kind=kind,
            step=step,
            region=region,
            worker=tuple(places[name] for name in names),
            ended=ended,
            seconds=seconds,
            backbone=backbone,
            lag=lag,
            counts=counts,
        )
        return Segment(
            generation=self.generation,
            number=self._number,
            workers=workers,
            tasks=tasks,
            happenings=tuple(self._happenings),
            requeues=dict(self.requeues),
        )
