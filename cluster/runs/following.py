"""How far a run is, and whether anybody is still at work on it: what status.json says beside what the lease shows.

status.json   the lease                      said
running       beats                          running
running       its process is gone            stopped, not reporting since ...
running       elsewhere, and stands still    stopped, not reporting since ...
running       given back                     stopped, not reporting since ...: it ended without a word
running       none                           stopped, not reporting since ...: nobody holds the run
any           a newer one beats              starting: taken up again
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import Field

from actors.artifacts.series import open_begun, stage_place
from storage.liveness import QUIET_S, Hold, Sighting, Watch
from storage.process import SYSTEM, ProcessTable
from storage.records import checked_json
from storage.run import RunStore

from .reporting import status_text


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Tasks by kind, of those that are told of."""

    merge: int
    decode: int


NOTHING = Counts(merge=0, decode=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """What is told of a status.json; it may say more."""

    state: str
    stage: str = ""
    reason: str = ""
    time: Annotated[float, Field(ge=0, le=1e11)] = 0.0
    """seconds since 1970, by the writer's clock"""
    generation: int = 0
    total: Counts = NOTHING
    done: Counts = NOTHING
    fraction: float = 0.0
    region_steps_per_second: float = 0.0
    eta_seconds: Annotated[float, Field(ge=0, le=1e11)] | None = None
    workers: int = 0


Look = tuple[dict[str, Any], tuple[int, int] | None]
"""the status, and which stage of a series it is of, and of how many"""

WATCH_SECONDS = 2.0
"""between two lines of `--watch`"""
POLL_SECONDS = 0.5
"""between two looks at a lease that only its counter can tell of"""
AT_WORK = ("starting", "waiting", "running")


@dataclass(slots=True, kw_only=True)
class Follower:
    """Looks at a run again and again."""

    run: str
    clock: Callable[[], float] = time.monotonic
    table: ProcessTable = SYSTEM
    _watches: dict[str, Watch] = field(default_factory=dict)
    """by URL: of a series each stage has its own lease"""
    _between_since: float | None = None

    def look(self) -> tuple[Look, Hold]:
        """The status as it is now, and what the lease shows."""
        store, record = open_begun(self.run)  # of a series the next stage may have begun meanwhile
        watch = self._watches.setdefault(store.url, Watch(root=store.root, clock=self.clock, table=self.table))
        # the lease first: a holder writes its last status before it gives the lease back
        sighting = watch.look()
        status = read_status(store)
        if _generation(status) > sighting.generation:  # another sitting began between the two
            sighting = watch.look()
        return (judge(status, sighting), stage_place(record)), sighting.hold

    def is_over(self, look: Look) -> bool:
        """Whether nothing more will come: of a series, after its last stage, or where no next one begins."""
        table, place = look
        if table["state"] in AT_WORK:
            self._between_since = None
            return False
        if place is None or place[0] >= place[1] or table["state"] != "finished":
            return True
        now = self.clock()
        self._between_since = now if self._between_since is None else self._between_since
        return now - self._between_since >= QUIET_S


def look_once(run: str, *, sleep: Callable[[float], None] = time.sleep, **parts: Any) -> Iterator[Look]:
    """The status once, when it is known whether anybody is at work; ``parts``: see Follower."""
    follower = Follower(run=run, **parts)
    look, hold = follower.look()
    while hold is Hold.UNSEEN and look[0]["state"] in AT_WORK:
        sleep(POLL_SECONDS)
        look, hold = follower.look()
    yield look


def follow(run: str, *, sleep: Callable[[float], None] = time.sleep, **parts: Any) -> Iterator[Look]:
    """The status every WATCH_SECONDS until the run ends, or until nobody is at work on it."""
    follower = Follower(run=run, **parts)
    while True:
        look, _ = follower.look()
        yield look
        if follower.is_over(look):
            return
        sleep(WATCH_SECONDS)


def read_status(store: RunStore) -> dict[str, Any]:
    """status.json; "starting" where there is none yet, or none that says anything."""
    data = store.read_status()
    if data is None:
        return {"state": "starting"}
    try:
        status: dict[str, Any] = checked_json(data, Status, where="status.json")
        if "total" in status:
            status_text(status)
    except (ValueError, KeyError) as e:
        return {"state": "starting", "reason": f"its last report cannot be read ({e}); the next one replaces it"}
    return status


def judge(status: dict[str, Any], sighting: Sighting) -> dict[str, Any]:
    """A status and what is seen of the lease, as one table: ``state`` and ``reason`` as they are to be told.

    ``lease`` is added, and ``not_reporting_since`` (seconds since 1970 by the writer's clock, None where nothing was
    written) where the status claims a run that nobody is at work on.
    """
    holder: dict[str, Any] = {key: sighting.holder[key] for key in ("owner", "host", "pid") if key in sighting.holder}
    lease: dict[str, Any] = {"hold": str(sighting.hold), "generation": sighting.generation}
    table = {**status, "lease": lease | holder}
    newer = "generation" in status and sighting.generation > _generation(status)
    if sighting.hold in (Hold.HELD, Hold.UNSEEN):
        if newer:
            who = f"{holder.get('owner', 'somebody')} on {holder.get('host', 'another machine')}"
            table |= {"state": "starting", "reason": f"{who} has taken it up again and has not reported yet"}
        return table
    if status["state"] not in AT_WORK:
        return table
    since = status.get("time")
    since = float(since) if isinstance(since, int | float) else _taken_at(sighting)
    reason = f"{_spoken(since)}: {_why(sighting, newer)}; the command that began it resumes it"
    table |= {"state": "stopped", "not_reporting_since": since, "reason": reason}
    if "eta_seconds" in status:
        table["eta_seconds"] = None
    return table


def _why(sighting: Sighting, newer: bool) -> str:
    holder = sighting.holder
    who = f"pid {holder.get('pid', '?')} on {holder.get('host', '?')}"
    again = "the one that took it up again, " if newer else ""
    return {
        Hold.NONE: "nobody holds the run: it has no lease",
        Hold.RELEASED: f"{again or 'its process, '}{who}, ended without saying how",
        Hold.GONE: f"{again or 'its process, '}{who}, is gone",
        Hold.SILENT: f"{again or 'its process, '}{who}, has shown no life for {QUIET_S:g} s",
    }[sighting.hold]


def _spoken(since: float | None) -> str:
    if since is None:
        return "not reporting"
    then = datetime.fromtimestamp(since)
    is_today = then.date() == datetime.now().date()
    return f"not reporting since {then:%H:%M}" if is_today else f"not reporting since {then:%Y-%m-%d %H:%M}"


def _taken_at(sighting: Sighting) -> float | None:
    """When the lease was taken, where it says so: "2026-11-30T06:41:00Z"."""
    try:
        return datetime.strptime(sighting.holder.get("time", ""), "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC).timestamp()
    except (TypeError, ValueError):
        return None


def _generation(status: dict[str, Any]) -> int:
    generation = status.get("generation", 0)
    return generation if isinstance(generation, int) else 0
