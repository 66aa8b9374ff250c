"""Who may write to a run: one coordinator at a time, and a newer one fences the older.

    lease/0003             the third coordinator (the highest number rules)
    lease/0003.heartbeat   a counter it raises while it lives
    lease/0003.stop        somebody asked it to stop, from anywhere; it looks with each heartbeat
    lease/0003.released    it has stopped in good order

Taking the lease is creating the next number. Clocks of two machines are never compared: whether a holder lives is seen
by watching its counter. On one machine a process that is gone is seen at once, by the kernel's own counts (process.py).
"""

from __future__ import annotations

import json
import logging
import os
import re
import time
from dataclasses import dataclass, field
from typing import Any

from storage.objects.retrying import read_again
from storage.objects.root import ObjectRoot

from .errors import FencedError, RunBusyError
from .process import SYSTEM, ProcessTable, identify, is_gone
from .records import checked_json

log = logging.getLogger(__name__)

_LEASE_KEY = re.compile(r"lease/([0-9]{4,})$")
_POLLS_PER_HEARTBEAT = 4


@dataclass(kw_only=True)
class Lease:
    """The right to write to a run; keep it alive with :meth:`beat` about every ``heartbeat_s`` seconds."""

    root: ObjectRoot
    owner: str
    generation: int
    asked_by: str | None = field(default=None, init=False)
    """who asked the holder to stop, in words; None as long as nobody has"""
    _counter: int = field(default=0, init=False)

    @classmethod
    def acquire(
        cls, root: ObjectRoot, *, owner: str, plan: str | None = None, heartbeat_s: float = 2.0, patience: int = 3
    ) -> Lease:
        """Take the lease of a run, at once where it is free.

        A holder that cannot be seen to be dead is watched for ``patience`` heartbeats of ``heartbeat_s`` seconds.
        Raises RunBusyError where it lives, or where somebody else takes the lease at the same moment, and ValueError
        where the run's last holder worked on another plan than ``plan``, which is a hash.
        """
        current = current_generation(root)
        if current and not _is_free(root, current):
            _watch(root, current, heartbeat_s, patience)
        if current and plan is not None:
            _check_plan(root, current, plan)
        generation = current + 1
        data = json.dumps(
            {**identify(), "owner": owner, "plan": plan, "generation": generation, "nonce": os.urandom(8).hex()}
        ).encode()
        if not root.put_new(_key(generation), data, durable=True) and not root.holds(_key(generation), data):
            raise _busy(root, generation)
        lease = cls(root=root, owner=owner, generation=generation)
        lease.beat()
        return lease

    def check(self) -> None:
        """Raise FencedError where a newer generation has taken over: before anything is deleted, or said of the run."""
        generation = self.generation + 1
        if self.root.exists(_key(generation)):
            holder = _holder(self.root, generation)
            raise FencedError(
                f"generation {generation}, {holder['owner']} on {holder['host']}, took over the run {self.root.url} at "
                f"{holder['time']}: this one, generation {self.generation}, stops"
            )

    def beat(self) -> None:
        """Show that the holder lives, and look whether it is asked to stop.

        Raises FencedError where a newer generation has taken over.
        """
        self.check()
        self.asked_by = self.asked_by or _stop_request(self.root, self.generation)
        self._counter += 1
        self.root.put(f"{_key(self.generation)}.heartbeat", str(self._counter).encode())

    def release(self) -> None:
        """Give the lease back, so that the next coordinator starts without a wait."""
        self.root.put_new(f"{_key(self.generation)}.released", b"")
        self.root.delete(f"{_key(self.generation)}.heartbeat")


def _key(generation: int) -> str:
    return f"lease/{generation:04d}"


def current_generation(root: ObjectRoot) -> int:
    """The generation that rules; 0 where nobody ever took the lease."""
    matches = (_LEASE_KEY.search(key) for key in root.list("lease"))
    listed = max((int(match[1]) for match in matches if match), default=0)
    # a listing may have been cut short
    return root.first_free(_key, listed + 1) - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """What a lease's record says."""

    owner: str
    host: str
    pid: int
    time: str
    """in UTC, for people"""
    host_id: str = ""
    pid_ticks: int | None = None
    pid_start: float | None = None
    plan: str | None = None
    """hash of the plan that it works on"""


_UNKNOWN: dict[str, Any] = dict.fromkeys(("owner", "host", "pid", "time"), "unknown")


def _holder(root: ObjectRoot, generation: int) -> dict[str, Any]:
    """Who took a generation. Of a damaged record nothing is believed: its holder is watched, as one elsewhere is."""
    key = _key(generation)
    try:
        holder: dict[str, Any] = read_again(
            lambda: checked_json(root.get(key), Holder, where=f"{root.url}/{key}"), ValueError, KeyError
        )
    except (ValueError, KeyError):
        log.warning("%s/%s is damaged or gone: its holder is judged by its heartbeat alone", root.url, key)
        return _UNKNOWN
    return holder


def _check_plan(root: ObjectRoot, generation: int, plan: str) -> None:
    held = _holder(root, generation).get("plan")
    if held is not None and held != plan:
        raise ValueError(
            f"{root.url}/{_key(generation)} is of the plan {str(held)[:12]}, this is the plan {plan[:12]}: start the "
            f"command that began the run again, give another place, or delete the whole of {root.url}"
        )


def read_holder(root: ObjectRoot, generation: int) -> dict[str, Any]:
    """Who took a generation, for those who only look; empty where the record is damaged or gone."""
    try:
        holder: dict[str, Any] = checked_json(root.get(_key(generation)), Holder, where=_key(generation))
    except (KeyError, ValueError):
        return {}
    return holder


def ask_to_stop(root: ObjectRoot, generation: int, who: str) -> None:
    """Ask the holder of a generation, wherever it is, to stop in good order; asking twice is fine. ``who`` asks."""
    record = {"owner": who, "time": identify()["time"]}
    root.put_new(f"{_key(generation)}.stop", json.dumps(record).encode())


def _stop_request(root: ObjectRoot, generation: int) -> str | None:
    """Who asks the holder of a generation to stop, and when; None where nobody does."""
    key = f"{_key(generation)}.stop"
    if not root.exists(key):
        return None
    try:
        record = checked_json(root.get(key), StopRequest, where=f"{root.url}/{key}")
    except (ValueError, KeyError):
        return "somebody"
    return f"{record['owner']} at {record['time']}"


@dataclass(frozen=True, slots=True, kw_only=True)
class StopRequest:
    """What the record of one says."""

    owner: str
    time: str
    """in UTC, for people"""


def is_released(root: ObjectRoot, generation: int) -> bool:
    """Whether the holder has given the lease back in good order."""
    return root.exists(f"{_key(generation)}.released")


def _is_free(root: ObjectRoot, generation: int, table: ProcessTable = SYSTEM) -> bool:
    """Whether the holder has released, or ran on this very machine and its process is gone."""
    if is_released(root, generation):
        return True
    return is_gone(_holder(root, generation), identify(table), table)


def _watch(root: ObjectRoot, generation: int, heartbeat_s: float, patience: int) -> None:
    """Return when the holder's counter stood still for ``patience`` heartbeats; RunBusyError as soon as it moves.

    Looks are counted, not time: a process that was stopped itself has seen nothing of the time that passed.
    """
    first = heartbeat(root, generation)
    for _ in range(patience * _POLLS_PER_HEARTBEAT):
        time.sleep(heartbeat_s / _POLLS_PER_HEARTBEAT)
        if heartbeat(root, generation) != first:
            raise _busy(root, generation)


def heartbeat(root: ObjectRoot, generation: int) -> bytes:
    """The holder's counter as it is now; empty before its first beat and after its last."""
    try:
        return root.get(f"{_key(generation)}.heartbeat")
    except KeyError:
        return b""


def _busy(root: ObjectRoot, generation: int) -> RunBusyError:
    holder = _holder(root, generation)
    return RunBusyError(
        f"run {root.url} is being worked on by {holder['owner']} on {holder['host']} (pid {holder['pid']}, since "
        f"{holder['time']}); stop that one first"
    )
