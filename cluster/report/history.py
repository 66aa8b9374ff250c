"""What a run's timeline tells, put together: a history a sitting, whose moments are all by the coordinator's clock."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import groupby

import numpy as np

from actors.schedule.task import Kind
from storage.timeline import Happening, Segment

PHASES = ("prepare", "denoise", "merge", "measure", "decode")
PHASE_OF = {
    Kind.EMBED: "prepare",
    Kind.PREPARE: "prepare",
    Kind.ENCODE: "prepare",
    Kind.DENOISE: "denoise",
    Kind.EXCHANGE: "denoise",
    Kind.MERGE: "merge",
    Kind.MEASURE: "measure",
    Kind.REDUCE: "measure",
    Kind.DECODE: "decode",
}
LARGEST_LAG = 1.0
"""seconds that the fastest of a worker's messages may take: more is a difference between two clocks"""
ENDS = ("finished", "stopped", "failed")
"""what the last stage of a sitting is called"""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tasks:
    """Tasks as columns ``[n]``; moments in seconds since 1970."""

    phase: np.ndarray
    """place in PHASES"""
    step: np.ndarray
    region: np.ndarray
    worker: np.ndarray
    """place in the history's ``workers``"""
    begun: np.ndarray
    ended: np.ndarray
    backbone: np.ndarray
    """seconds inside the model"""
    counts: np.ndarray
    """whether the result was of use"""

    def __len__(self) -> int:
        return len(self.phase)


@dataclass(frozen=True, slots=True, kw_only=True)
class Presence:
    """When a worker was there."""

    worker: int
    begun: float
    ended: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """What the coordinator was at, from then on until then."""

    name: str
    begun: float
    ended: float


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """What happened in one sitting."""

    generation: int
    workers: list[str]
    tasks: Tasks
    presences: list[Presence]
    stages: list[Stage]
    happenings: list[Happening]
    requeues: dict[str, int]
    begun: float
    ended: float
    end: str
    """finished, stopped, failed, or empty where it ended without a word"""
    skewed: dict[str, float] = field(default_factory=dict)
    """seconds by which clocks of workers were set right, by worker"""


def histories(segments: Iterable[Segment]) -> list[History]:
    """A history a sitting, the first sitting first; ``segments`` in their order."""
    each = groupby(segments, key=lambda segment: segment.generation)
    found = (_history(generation, list(group)) for generation, group in each)
    return [one for one in found if one is not None]


def _history(generation: int, segments: list[Segment]) -> History | None:
    happenings = [one for segment in segments for one in segment.happenings]
    named = [name for segment in segments for name in segment.workers]
    present = [one.worker for one in happenings if one.what == "joined"]
    workers = list(dict.fromkeys((*present, *named)))
    tasks, skewed = _tasks(segments, workers)
    moments = [one.time for one in happenings] + [float(edge) for edge in (*tasks.begun[:1], *tasks.ended)]
    if not moments:
        return None
    begun, ended = min((*moments, *tasks.begun)), max(moments)
    stages = [one for one in happenings if one.what == "stage"]
    later = [one.time for one in stages[1:]] + [ended]
    last = stages[-1].text if stages else ""
    return History(
        generation=generation,
        workers=workers,
        tasks=tasks,
        presences=_presences(happenings, workers, tasks, ended),
        stages=[
            Stage(name=one.text, begun=one.time, ended=end)
            for one, end in zip(stages, later, strict=False)
            if one.text not in ENDS
        ],
        happenings=happenings,
        requeues=segments[-1].requeues,
        begun=float(begun),
        ended=float(ended),
        end=last if last in ENDS else "",
        skewed=skewed,
    )


def _tasks(segments: list[Segment], workers: list[str]) -> tuple[Tasks, dict[str, float]]:
    columns = [segment.tasks for segment in segments]
    places = {name: place for place, name in enumerate(workers)}
    worker = np.array([places[s.workers[w]] for s in segments for w in s.tasks.worker], np.int64)
    lag = np.array([value for one in columns for value in one.lag], float)
    ended = np.array([value for one in columns for value in one.ended], float)
    skewed = {}
    for place, name in enumerate(workers):
        own = worker == place
        least = float(lag[own].min(initial=np.inf))
        if np.isfinite(least) and not 0 <= least <= LARGEST_LAG:
            ended[own] += least
            skewed[name] = least
    seconds = np.array([value for one in columns for value in one.seconds], float)
    known = {str(kind): PHASES.index(phase) for kind, phase in PHASE_OF.items()}
    tasks = Tasks(
        phase=np.array([known.get(kind, 0) for one in columns for kind in one.kind], np.int64),
        step=np.array([value for one in columns for value in one.step], np.int64),
        region=np.array([value for one in columns for value in one.region], np.int64),
        worker=worker,
        begun=ended - seconds,
        ended=ended,
        backbone=np.array([value for one in columns for value in one.backbone], float),
        counts=np.array([value for one in columns for value in one.counts], bool),
    )
    return tasks, skewed


def _presences(happenings: list[Happening], workers: list[str], tasks: Tasks, ended: float) -> list[Presence]:
    """From a worker's joining to its loss; of one that is not told to have joined, from its first task to its last."""
    since: dict[str, float] = {}
    found = []
    for one in happenings:
        if one.what == "joined":
            since[one.worker] = one.time
        elif one.what == "gone" and one.worker in since:
            found.append(Presence(worker=workers.index(one.worker), begun=since.pop(one.worker), ended=one.time))
    found += [Presence(worker=workers.index(name), begun=begun, ended=ended) for name, begun in since.items()]
    told = {one.worker for one in found}
    for worker in sorted(set(tasks.worker.tolist()) - told):
        own = tasks.worker == worker
        found.append(Presence(worker=worker, begun=float(tasks.begun[own].min()), ended=float(tasks.ended[own].max())))
    return found
