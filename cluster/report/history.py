"""What a run's timeline tells, put together: a history a sitting, whose moments are all by the coordinator's clock."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from itertools import groupby

import numpy as np

from actors.schedule.task import Kind
from storage.timeline import Columns, Happening, Segment

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


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Piece:
    """A segment whose columns are arrays: millions of tasks have no room as Python's numbers."""

    segment: Segment
    """without its tasks"""
    phase: np.ndarray
    step: np.ndarray
    region: np.ndarray
    worker: np.ndarray
    ended: np.ndarray
    seconds: np.ndarray
    backbone: np.ndarray
    lag: np.ndarray
    counts: np.ndarray

    @classmethod
    def of(cls, segment: Segment) -> _Piece:
        tasks, known = segment.tasks, {str(kind): PHASES.index(phase) for kind, phase in PHASE_OF.items()}
        return cls(
            segment=replace(segment, tasks=Columns()),
            phase=np.array([known.get(kind, 0) for kind in tasks.kind], np.int8),
            step=np.array(tasks.step, np.int32),
            region=np.array(tasks.region, np.int64),
            worker=np.array(tasks.worker, np.int32),
            ended=np.array(tasks.ended, float),
            seconds=np.array(tasks.seconds, float),
            backbone=np.array(tasks.backbone, float),
            lag=np.array(tasks.lag, float),
            counts=np.array(tasks.counts, bool),
        )


def histories(segments: Iterable[Segment]) -> list[History]:
    """A history a sitting, the first sitting first; ``segments`` in their order."""
    pieces = (_Piece.of(segment) for segment in segments)
    each = groupby(pieces, key=lambda piece: piece.segment.generation)
    found = (_history(generation, list(group)) for generation, group in each)
    return [one for one in found if one is not None]


def _history(generation: int, pieces: list[_Piece]) -> History | None:
    happenings = [one for piece in pieces for one in piece.segment.happenings]
    named = [name for piece in pieces for name in piece.segment.workers]
    present = [one.worker for one in happenings if one.what == "joined"]
    workers = list(dict.fromkeys((*present, *named)))
    tasks, skewed = _tasks(pieces, workers)
    moments = [one.time for one in happenings]
    if len(tasks):
        moments += [float(tasks.begun.min()), float(tasks.ended.max())]
    if not moments:
        return None
    begun, ended = min(moments), max(moments)
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
        requeues=pieces[-1].segment.requeues,
        begun=begun,
        ended=ended,
        end=last if last in ENDS else "",
        skewed=skewed,
    )


def _tasks(pieces: list[_Piece], workers: list[str]) -> tuple[Tasks, dict[str, float]]:
    def column(name: str) -> np.ndarray:
        return np.concatenate([getattr(piece, name) for piece in pieces])

    places = {name: place for place, name in enumerate(workers)}
    own_places = [np.array([places[name] for name in piece.segment.workers], np.int32) for piece in pieces]
    worker = np.concatenate([own[piece.worker] for own, piece in zip(own_places, pieces, strict=True)])
    lag, ended, skewed = column("lag"), column("ended"), {}
    for place, name in enumerate(workers):
        own = worker == place
        least = float(lag[own].min(initial=np.inf))
        if np.isfinite(least) and not 0 <= least <= LARGEST_LAG:
            ended[own] += least
            skewed[name] = least
    tasks = Tasks(
        phase=column("phase"),
        step=column("step"),
        region=column("region"),
        worker=worker,
        begun=ended - column("seconds"),
        ended=ended,
        backbone=column("backbone"),
        counts=column("counts"),
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
