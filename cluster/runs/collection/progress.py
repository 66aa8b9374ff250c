"""How far a collection is: one bar or some lines, and one status.json, for all its pictures."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from rich.progress import BarColumn
from rich.progress import Progress as Bar

from cluster.console.screen import PlainColumn, Terminal
from cluster.runs.reporting import clock_text
from storage.run import RunStore

from .ledger import DONE, FAILED, Fate

LINE_SECONDS, STATUS_SECONDS = 10.0, 2.0
KNOWN = 0.02
"""share that must be done in this sitting before the time that is left is told: workers start first"""


@dataclass(slots=True, kw_only=True)
class Progress:
    """Counts pictures, and the parts of those that are at work."""

    store: RunStore
    generation: int
    sizes: Mapping[str, int]
    """bytes of all pictures, by name: what their work is reckoned by"""
    over: dict[str, str]
    """states of those that were over before, by name"""
    console: Terminal = field(default_factory=lambda: Terminal(stderr=True))
    clock: Callable[[], float] = time.monotonic
    _started: float = field(init=False)
    _before: float = field(init=False)
    """weight that was over before"""
    _bar: Bar | None = field(default=None, init=False)
    _bar_task: Any = field(default=None, init=False)
    _last_line: float = field(default=0.0, init=False)
    _last_status: float = field(default=0.0, init=False)

    def __post_init__(self) -> None:
        self._started = self.clock()
        self._before = sum(self._weight(name) for name in self.over)

    def __enter__(self) -> Progress:
        if self.console.is_terminal:
            columns = (PlainColumn("{task.description}"), BarColumn(), PlainColumn("{task.fields[text]}"))
            self._bar = Bar(*columns, console=self.console)
            self._bar_task = self._bar.add_task("pictures", total=1.0, text="")
            self._bar.start()
        return self

    def __exit__(self, *_error: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def note(self, fate: Fate) -> None:
        """A picture is over."""
        self.over[fate.name] = fate.state

    def look(self, at_work: Mapping[str, dict[str, Any]]) -> None:
        """Called now and then, with the last status of each picture that is at work."""
        now, status = self.clock(), self.status(at_work)
        if now - self._last_status > STATUS_SECONDS:
            self._last_status = now
            self.store.write_status(status)
        if self._bar is not None:
            self._bar.update(self._bar_task, completed=status["fraction"], text=text_of(status))
        elif now - self._last_line > LINE_SECONDS:
            self._last_line = now
            self.console.print(f"pictures: {text_of(status)}")

    def finish(self, state: str, reason: str = "") -> dict[str, Any]:
        """The last status: finished, stopped or failed."""
        status = {**self.status({}), "state": state, "stage": state, **({"reason": reason} if reason else {})}
        self.store.write_status(status)
        return status

    def status(self, at_work: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
        """Counts of pictures, the share that is done by their bytes, and the time that is left."""
        whole = sum(map(self._weight, self.sizes)) or 1.0
        parts = {name: float(status.get("fraction", 0.0)) for name, status in at_work.items()}
        done = sum(map(self._weight, self.over)) + sum(self._weight(name) * part for name, part in parts.items())
        seconds, mine = self.clock() - self._started, done - self._before
        states = list(self.over.values())
        return {
            "state": "running",
            "stage": "pictures",
            "time": time.time(),
            "seconds": seconds,
            "generation": self.generation,
            "pictures": {"total": len(self.sizes), DONE: states.count(DONE), FAILED: states.count(FAILED)},
            "at_work": [{"name": name, "fraction": part} for name, part in sorted(parts.items())],
            "fraction": min(1.0, done / whole),
            "eta_seconds": (whole - done) * seconds / mine if mine > KNOWN * whole else None,
        }

    def _weight(self, name: str) -> float:
        """Of a picture without a file here that of a small one; the start of each costs something, too."""
        return self.sizes.get(name, 0) + 1e5


def text_of(status: Mapping[str, Any]) -> str:
    """A status in words.

    >>> text_of({"fraction": 0.5, "pictures": {"total": 8, "done": 3, "failed": 1}, "at_work": [{}, {}]})
    ' 50%, 4 of 8 pictures, 1 of them failed, 2 at work'
    """
    counts = status["pictures"]
    text = f"{status['fraction']:4.0%}, {counts[DONE] + counts[FAILED]} of {counts['total']} pictures"
    if counts[FAILED]:
        text += f", {counts[FAILED]} of them failed"
    if status.get("at_work"):
        text += f", {len(status['at_work'])} at work"
    eta = status.get("eta_seconds")
    return text if eta is None or status.get("state") != "running" else f"{text}, ETA {clock_text(eta)}"
