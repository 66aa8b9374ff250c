"""Where the time of workers went: inside tasks and inside the model, by phase, and waiting.

Two tasks of a worker overlap: one reads or waits for the model while the other computes. A moment in several tasks
counts once, shared equally between them:

    task a   |======|           a: 2 + 2/2 seconds
    task b      |======|        b: 2/2 + 1
             2    2   1         busy: 5
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .history import PHASES, History, Presence, Tasks


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Occupation:
    """Seconds of all workers of a sitting together."""

    present: float
    """between their joining and their end"""
    busy: np.ndarray
    """``[phases]``: inside tasks, by phase; their sum is at most ``present``"""
    backbone: np.ndarray
    """``[phases]``: of tasks, inside the model"""
    num_tasks: np.ndarray
    """``[phases]``"""
    wasted: float
    """inside tasks whose results were of no use"""
    startup: float
    """from asking for workers until each of them had joined, those aside that came in place of others"""

    @property
    def waiting(self) -> float:
        return max(0.0, self.present - float(self.busy.sum()))

    @property
    def busy_share(self) -> float:
        """Of the time that workers were there; 0 where none was."""
        return float(self.busy.sum()) / self.present if self.present else 0.0

    @property
    def backbone_share(self) -> float:
        return float(self.backbone.sum()) / self.present if self.present else 0.0


def occupation(history: History) -> Occupation:
    """See the head of the file. Only what lies within the presence of its worker counts."""
    tasks = history.tasks
    busy = np.zeros(len(PHASES))
    for presence in history.presences:
        busy += busy_seconds(tasks, presence)
    return Occupation(
        present=sum(one.ended - one.begun for one in history.presences),
        busy=busy,
        backbone=np.bincount(tasks.phase, tasks.backbone, minlength=len(PHASES)),
        num_tasks=np.bincount(tasks.phase, minlength=len(PHASES)),
        wasted=float((tasks.ended - tasks.begun)[~tasks.counts].sum()),
        startup=_awaited(history),
    )


def _awaited(history: History) -> float:
    """Seconds that workers were awaited for, all together; of those that came for one that was lost, none."""
    asked = next((stage.begun for stage in history.stages if stage.name == "workers"), None)
    if asked is None:
        return 0.0
    first_loss = min((one.ended for one in history.presences), default=asked)
    return sum(max(0.0, one.begun - asked) for one in history.presences if one.begun <= first_loss)


def busy_seconds(tasks: Tasks, presence: Presence) -> np.ndarray:
    """``[phases]``: seconds that one worker was inside tasks, while it was there."""
    own = tasks.worker == presence.worker
    begun = np.clip(tasks.begun[own], presence.begun, presence.ended)
    ended = np.clip(tasks.ended[own], presence.begun, presence.ended)
    moments, places = np.unique(np.concatenate([begun, ended]), return_inverse=True)
    if len(moments) < 2:
        return np.zeros(len(PHASES))
    # open[p, i]: tasks of phase p that are open from moment i to the next
    opened = np.zeros((len(PHASES), len(moments)))
    phase = tasks.phase[own]
    np.add.at(opened, (phase, places[: len(phase)]), 1)
    np.add.at(opened, (phase, places[len(phase) :]), -1)
    opened = opened.cumsum(axis=1)[:, :-1]
    total = opened.sum(axis=0)
    shares = np.divide(opened, total, out=np.zeros_like(opened), where=total > 0)
    return np.asarray(shares @ np.diff(moments))


def busy_over_time(history: History, num: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of ``num`` equal parts of a sitting: their edges ``[num + 1]``, workers in tasks and workers there ``[num]``.

    Both are means over the part.
    """
    edges = np.linspace(history.begun, max(history.ended, history.begun + 1e-3), num + 1)
    there, busy = np.zeros(num), np.zeros(num)
    for presence in history.presences:
        there += _covered(edges, np.array([presence.begun]), np.array([presence.ended]))
        own = history.tasks.worker == presence.worker
        begun = np.clip(history.tasks.begun[own], presence.begun, presence.ended)
        ended = np.clip(history.tasks.ended[own], presence.begun, presence.ended)
        busy += _covered(edges, *joined(begun, ended))
    width = edges[1] - edges[0]
    return edges, busy / width, there / width


def joined(begun: np.ndarray, ended: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Intervals that cover the same and do not overlap, in order."""
    order = np.argsort(begun, kind="stable")
    begun, ended = begun[order], np.maximum.accumulate(ended[order]) if len(order) else ended
    first = np.ones(len(begun), bool)
    first[1:] = begun[1:] > ended[:-1]
    last = np.append(first[1:], True) if len(first) else first
    return begun[first], ended[last]


def _covered(edges: np.ndarray, begun: np.ndarray, ended: np.ndarray) -> np.ndarray:
    """Seconds of each part that lie in intervals, which are in order and do not overlap."""
    before = np.concatenate([[0.0], np.cumsum(ended - begun)])
    place = np.searchsorted(begun, edges, side="right")
    beyond = np.concatenate([[0.0], ended])[place] - edges
    return np.asarray(np.diff(before[place] - np.where(place > 0, np.maximum(0.0, beyond), 0.0)))
