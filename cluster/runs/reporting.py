"""Progress for people and tools: a bar on a terminal, plain lines elsewhere, status.json in the run."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from rich.progress import BarColumn, Progress

from actors.schedule.task import Kind
from actors.tally import Tally
from cluster.console.screen import PlainColumn, Terminal
from pipeline.plan.plan import Plan
from storage.run import RunStore

log = logging.getLogger(__name__)

LINE_SECONDS = 10.0
"""between plain lines"""

STATUS_SECONDS = 2.0
"""between writes of status.json"""

FIRST_TASKS = 2
"""of a worker, before there is an estimate"""

WEIGHTS = {Kind.PREPARE: 0.5, Kind.DENOISE: 1.0, Kind.EXCHANGE: 0.5, Kind.MEASURE: 0.4, Kind.DECODE: 0.7}
"""rough cost of a region's task, for the bar before anything was timed"""


@dataclass(slots=True, kw_only=True)
class Reporter:
    """Turns tallies into a bar or lines and into status.json."""

    store: RunStore
    plan: Plan
    totals: dict[Kind, int]
    """tasks of a whole run, by kind"""
    left: dict[Kind, int] | None = None
    """tasks that this sitting began with; what is missing was done by earlier ones; None until the store was checked"""
    console: Terminal = field(default_factory=lambda: Terminal(stderr=True))
    generation: int = 0
    """of the lease under which the status is written; 0 for none"""
    check: Callable[[], None] = lambda: None
    """raises FencedError where a newer coordinator has taken over, to which the status belongs"""
    on_status: Callable[[dict[str, Any]], None] = lambda _status: None
    """hears the status whenever the loop ticks"""
    on_stage: Callable[[str], None] = lambda _stage: None
    """hears how each stage outside the driving loop begins, and how the sitting ended"""
    stage: str = "starting"
    started: float = field(default_factory=time.monotonic)
    _tally: Tally = field(default_factory=Tally)
    _bar: Progress | None = None
    _bar_task: Any = None
    _last_line: float = 0.0
    _last_status: float = 0.0
    _last_log: float = 0.0

    def __enter__(self) -> Reporter:
        told = {"plan": self.plan.hash, "seed": self.plan.recipe.run.seed, "versions": self.plan.versions}
        told |= {"recipe": self.plan.recipe.name, "generation": self.generation, "run": self.store.url}
        log.info("a sitting of %s begins", self.store.url, extra={"event": "begin", **told})
        if self.console.is_terminal:
            columns = (PlainColumn("{task.description}"), BarColumn(), PlainColumn("{task.fields[text]}"))
            self._bar = Progress(*columns, console=self.console)
            self._bar_task = self._bar.add_task("starting", total=1.0, text="")
            self._bar.start()
        return self

    def __exit__(self, *_error: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def tick(self, tally: Tally) -> None:
        """Called about once a second by the driving loop, and after it."""
        self._tally = tally
        tally.flush()
        status = self.status(tally)
        self.on_status(status)
        now = time.monotonic()
        done_all = all(status["done"][kind] == status["total"][kind] for kind in status["total"])
        if done_all or now - self._last_status > STATUS_SECONDS:
            self._last_status = now
            self._write(status)
        if done_all or now - self._last_log > LINE_SECONDS:
            self._last_log = now
            log.info("%s: %s", status["stage"], status_text(status), extra={"event": "progress", "status": status})
        if self._bar is not None:
            self._bar.update(
                self._bar_task, completed=status["fraction"], description=status["stage"], text=status_text(status)
            )
        elif done_all or now - self._last_line > LINE_SECONDS:
            self._last_line = now
            self.console.print(f"{status['stage']}: {status_text(status)}")

    def announce(self, stage: str, text: str = "") -> None:
        """A stage outside the driving loop: checking, ingest, export."""
        self.stage = stage
        self.on_stage(stage)
        log.info("%s%s", stage, text and f": {text}", extra={"event": "stage", "stage": stage})
        self._write({**self.status(self._tally), "stage": stage})
        if self._bar is not None:
            self._bar.update(self._bar_task, description=stage, text=text)
        else:
            self.console.print(f"{stage}{': ' if text else ''}{text}")

    def checked(self, done: int, of: int) -> None:
        """Some of what the store holds was read and compared; told now and then."""
        if self._bar is not None or time.monotonic() - self._last_line > LINE_SECONDS:
            self._last_line = time.monotonic()
            self.announce("checking", f"{done} of {of} regions")

    def finish(self, tally: Tally, state: str, **extra: Any) -> None:
        """The last status of a sitting: finished, stopped or failed."""
        self.on_stage(state)
        log.info("the sitting ends: %s", state, extra={"event": "end", "state": state, **extra})
        self._write({**self.status(tally), "state": state, "stage": state, **extra})

    def _write(self, status: dict[str, Any]) -> None:
        self.check()
        self.store.write_status(status)

    def status(self, tally: Tally) -> dict[str, Any]:
        """Progress as a table: counts by kind, rate, ETA, workers and their share of time inside the model.

        What is made again, such as contributions of a sitting before, counts no more than once.
        """
        now: dict[str, Any] = {"plan": self.plan.hash, "seconds": time.monotonic() - self.started, "time": time.time()}
        if self.generation:
            now["generation"] = self.generation
        if self.left is None:
            return {"state": "running", "stage": self.stage, **now}
        elapsed = 0.0 if tally.first_join is None else time.monotonic() - tally.first_join
        left = {kind: max(0, self.left[kind] - tally.done[kind]) for kind in self.totals}
        done = {kind: self.totals[kind] - left[kind] for kind in self.totals}
        left_cost = sum(_cost(kind, tally) * left[kind] for kind in self.totals)
        all_cost = sum(_cost(kind, tally) * self.totals[kind] for kind in self.totals) or 1.0
        session_cost = sum(_cost(kind, tally) * tally.done[kind] for kind in self.totals)
        # a worker's first tasks load and compile: what they took says nothing of the rest
        is_known = sum(tally.done.values()) > FIRST_TASKS * max(1, tally.num_workers) or not left_cost
        eta = left_cost * elapsed / session_cost if is_known and session_cost > 0 and elapsed > 0 else None
        steps = tally.done[Kind.MERGE]
        is_waiting = tally.staffing is not None and tally.staffing.is_waiting and left_cost > 0
        return {
            "state": "waiting" if is_waiting else "running",
            "stage": "waiting" if is_waiting else self._stage(done),
            **now,
            "total": {str(kind): count for kind, count in self.totals.items()},
            "done": {str(kind): count for kind, count in done.items()},
            "fraction": 1 - left_cost / all_cost,
            "region_steps_per_second": steps / elapsed if elapsed > 0 else 0.0,
            "eta_seconds": eta,
            "workers": tally.num_workers,
            **_staffing(tally),
            **_effort(tally),
        }

    def _stage(self, done: dict[Kind, int]) -> str:
        for kind in (Kind.PREPARE, Kind.DENOISE, Kind.MEASURE, Kind.DECODE):
            if done[kind] < self.totals[kind]:
                return str(kind)
        return "export"


def _staffing(tally: Tally) -> dict[str, Any]:
    """Workers that are wanted and those that have a place; and what is waited for, where none has one."""
    staffing = tally.staffing
    if staffing is None:
        return {}
    told = {"workers_asked": staffing.asked, "workers_placed": staffing.placed}
    return told | ({"waits_for": staffing.needs} if staffing.is_waiting else {})


def _workers(status: dict[str, Any], *, is_at_work: bool) -> str:
    """How many there are, and of how many, where some are not there yet."""
    num = status["workers"]
    asked = status.get("workers_asked", num) if is_at_work else num
    words = f"{num} worker{'' if num == 1 else 's'}" if num >= asked else f"{num} of {asked} workers"
    return words + ("" if num or not is_at_work else ", which start")


def _effort(tally: Tally) -> dict[str, Any]:
    """What workers have spent, and on what."""
    return {
        "backbone_share": tally.backbone_seconds / tally.worker_seconds if tally.worker_seconds > 0 else 0.0,
        "task_seconds": {str(kind): round(seconds, 2) for kind, seconds in tally.seconds.items()},
        "worker_seconds": round(tally.worker_seconds, 2),
        "waiting_seconds": round(tally.waiting_seconds, 2),
        "backbone_seconds": round(tally.backbone_seconds, 2),
        "frontier": tally.frontier,
        "bytes_read": sum(read for read, _ in tally.traffic.values()),
        "bytes_written": sum(written for _, written in tally.traffic.values()),
        "forwards": tally.forwards,
        "peak_bytes_worker": tally.peak_bytes,
        "requeues": tally.requeues,
    }


def _cost(kind: Kind, tally: Tally) -> float:
    if tally.done[kind]:
        return tally.seconds[kind] / tally.done[kind]
    return WEIGHTS.get(kind, 0.0)


def status_text(status: dict[str, Any]) -> str:
    done, total = status["done"], status["total"]
    if status.get("waits_for") and status.get("state") == "waiting":
        return f"waits for {status['waits_for']}; 0 of {status['workers_asked']} workers"
    is_at_work = status.get("state") == "running" and done != total
    parts = [
        f"{status['fraction']:4.0%}",
        f"region-steps {done['merge']}/{total['merge']}",
        f"decoded {done['decode']}/{total['decode']}",
        f"{status['region_steps_per_second']:.2f} region-steps/s",
        _workers(status, is_at_work=is_at_work),
    ]
    if status["eta_seconds"] is not None:
        parts.append(f"ETA {clock_text(status['eta_seconds'])}")
    return ", ".join(parts)


def clock_text(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
