"""What a run tells the metrics of the Ray that it works on: all of it comes out of its status.

Ray exports each as ``ray_NAME``, a counter as ``ray_NAME_total``, with the tag ``run``, the first digits of the plan's
hash: whoever reaches the metrics' port reads them without a token, so that no name of a file or a store is among them.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

Status = Mapping[str, Any]
Values = dict[str, float]
"""numbers by what the meter's tag says; by the empty word where it has no tag"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Meter:
    """One number, or one for each value of a tag."""

    name: str
    tells: str
    of: Callable[[Status], Values]
    counts: bool = False
    """whether it only grows, from the beginning of a sitting"""
    tag: str = ""

    @property
    def exported(self) -> str:
        """Its name in Prometheus."""
        return f"ray_{self.name}{'_total' if self.counts else ''}"


def _number(*path: str) -> Callable[[Status], Values]:
    """One number of the status; nothing where it is not known yet."""

    def of(status: Status) -> Values:
        value: Any = status
        for key in path:
            value = value.get(key) if isinstance(value, Mapping) else None
        return {} if value is None else {"": float(value)}

    return of


def _frontier(place: int) -> Callable[[Status], Values]:
    return lambda status: {"": float(status["frontier"][place])} if status.get("frontier") else {}


def _table(key: str) -> Callable[[Status], Values]:
    return lambda status: {str(name): float(value) for name, value in status.get(key, {}).items()}


METERS = (
    Meter(name="gigatile_fraction", tells="share of the run that is done", of=_number("fraction")),
    Meter(name="gigatile_eta_seconds", tells="seconds until it is all done", of=_number("eta_seconds")),
    Meter(name="gigatile_workers", tells="workers that are at work", of=_number("workers")),
    Meter(name="gigatile_region_steps", tells="region-steps that are done", of=_number("done", "merge")),
    Meter(name="gigatile_region_steps_all", tells="region-steps of the run", of=_number("total", "merge")),
    Meter(name="gigatile_regions_decoded", tells="regions that are decoded", of=_number("done", "decode")),
    Meter(name="gigatile_frontier_least", tells="step of the region that is behind all others", of=_frontier(0)),
    Meter(name="gigatile_frontier_most", tells="step of the region that is ahead of all others", of=_frontier(1)),
    Meter(name="gigatile_tiles", tells="tiles that went through the model", of=_number("forwards"), counts=True),
    Meter(
        name="gigatile_worker_seconds",
        tells="seconds that workers were there",
        of=_number("worker_seconds"),
        counts=True,
    ),
    Meter(
        name="gigatile_waiting_seconds",
        tells="seconds that workers had nothing to do",
        of=_number("waiting_seconds"),
        counts=True,
    ),
    Meter(
        name="gigatile_backbone_seconds",
        tells="seconds that workers were inside the model",
        of=_number("backbone_seconds"),
        counts=True,
    ),
    Meter(
        name="gigatile_task_seconds",
        tells="seconds that tasks took",
        of=_table("task_seconds"),
        counts=True,
        tag="kind",
    ),
    Meter(name="gigatile_requeues", tells="tasks given again", of=_table("requeues"), counts=True, tag="cause"),
    Meter(name="gigatile_bytes_read", tells="from the run's store", of=_number("bytes_read"), counts=True),
    Meter(name="gigatile_bytes_written", tells="to the run's store", of=_number("bytes_written"), counts=True),
)


class Sink(Protocol):
    """Where metrics go."""

    def set(self, meter: Meter, value: float, tags: dict[str, str]) -> None:
        """A number as it is now."""
        ...

    def add(self, meter: Meter, value: float, tags: dict[str, str]) -> None:
        """What a number has grown by."""
        ...


@dataclass(slots=True, kw_only=True)
class Publisher:
    """Tells a sink what a status says; of what only grows, what it has grown by."""

    run: str
    sink: Sink
    _told: dict[tuple[str, str], float] = field(default_factory=dict)

    def publish(self, status: Status) -> None:
        for meter in METERS:
            for word, value in meter.of(status).items():
                tags = {"run": self.run} | ({meter.tag: word} if meter.tag else {})
                if not meter.counts:
                    self.sink.set(meter, value, tags)
                    continue
                grown = value - self._told.get((meter.name, word), 0.0)
                if grown > 0:
                    self._told[meter.name, word] = value
                    self.sink.add(meter, grown, tags)


class RaySink:
    """The metrics of the Ray that this process is connected to."""

    def __init__(self) -> None:
        from ray.util import metrics  # most runs of the command line do without Ray

        self._known: dict[str, Any] = {}
        for meter in METERS:
            kind = metrics.Counter if meter.counts else metrics.Gauge
            keys = ("run", meter.tag) if meter.tag else ("run",)
            self._known[meter.name] = kind(meter.name, description=meter.tells, tag_keys=keys)

    def set(self, meter: Meter, value: float, tags: dict[str, str]) -> None:
        self._known[meter.name].set(value, tags=tags)

    def add(self, meter: Meter, value: float, tags: dict[str, str]) -> None:
        self._known[meter.name].inc(value, tags=tags)


def runs_ray() -> bool:
    """Whether this process is connected to a Ray; does not import it."""
    ray = sys.modules.get("ray")
    return ray is not None and bool(ray.is_initialized())


def publishing(
    plan: str,
    also: Callable[[dict[str, Any]], None] | None = None,
    *,
    is_there: Callable[[], bool] = runs_ray,
    make: Callable[[], Sink] = RaySink,
) -> Callable[[dict[str, Any]], None]:
    """What hears the status of the plan of a hash, publishes it where Ray runs, and tells it to ``also``."""
    publisher: Publisher | None = None

    def hear(status: dict[str, Any]) -> None:
        nonlocal publisher
        if is_there():
            publisher = publisher or Publisher(run=plan[:12], sink=make())
            publisher.publish(status)
        if also is not None:
            also(status)

    return hear
