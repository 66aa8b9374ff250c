"""One process, told apart from any other, and whether it still lives: by the kernel's own counts, never by a clock.

A process is its machine (host name, boot id, process namespace), its number, and the ticks since boot at which it
began. Both sides of the comparison come from the same kernel, so that a step of the clock moves neither; the time of
day at which a process began does move, because it is reckoned from ticks and the clock.
"""

from __future__ import annotations

import os
import socket
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import psutil

_SAME_START_S = 60.0
"""where a system keeps the time of day of a process's start itself: what two readings may differ by"""
_DEAD = frozenset("ZXx")
"""states of a process that will never run again and whose parent has not asked for it, as in a container's process 1"""


class ProcessTable(Protocol):
    """The processes of this machine."""

    def ticks(self, pid: int) -> int | None:
        """Ticks since boot at which a living process began; None where the system does not tell."""
        ...

    def started(self, pid: int) -> float | None:
        """Seconds since 1970 at which it began, None where the system does not tell."""
        ...

    def exists(self, pid: int) -> bool: ...


@dataclass(frozen=True, slots=True)
class SystemTable:
    """The real one."""

    proc: Path = Path("/proc")

    def ticks(self, pid: int) -> int | None:
        fields = self._stat(pid)
        return int(fields[19]) if len(fields) > 19 else None

    def started(self, pid: int) -> float | None:
        try:
            return psutil.Process(pid).create_time()
        except psutil.Error:
            return None

    def exists(self, pid: int) -> bool:
        fields = self._stat(pid)
        return fields[0] not in _DEAD if fields else psutil.pid_exists(pid)

    def _stat(self, pid: int) -> list[str]:
        """Fields 3 and on of proc(5)'s stat: the name, field 2, may hold spaces and brackets."""
        try:
            return (self.proc / str(pid) / "stat").read_text(errors="replace").rpartition(")")[2].split()
        except OSError:
            return []


SYSTEM = SystemTable()


def identify(table: ProcessTable = SYSTEM) -> dict[str, Any]:
    """This process, as a lease's record names it."""
    pid = os.getpid()
    return {
        "host": socket.gethostname(),
        "host_id": machine_id(),
        "pid": pid,
        "pid_ticks": table.ticks(pid),
        "pid_start": table.started(pid),
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }


def machine_id() -> str:
    """This boot of this kernel, and the process namespace; "" where Linux does not tell one of them."""
    boot, space = _first_line("/proc/sys/kernel/random/boot_id"), _process_namespace()
    if sys.platform == "linux" and not (boot and space):
        return ""
    return f"{boot} {space}"


def is_here(holder: Mapping[str, Any], here: Mapping[str, Any]) -> bool:
    """Whether a recorded process ran where its number can be looked up; False where that is not known."""
    return bool(here["host_id"]) and (holder.get("host"), holder.get("host_id")) == (here["host"], here["host_id"])


def is_gone(holder: Mapping[str, Any], here: Mapping[str, Any], table: ProcessTable = SYSTEM) -> bool:
    """Whether a recorded process ran here and is certainly gone; a False says nothing.

    Its number may have been given to another process since. A record without ticks, of an older version, is then not
    judged: the time of day in it is worth nothing after a step of the clock.
    """
    if not is_here(holder, here):
        return False
    pid = holder["pid"]
    if not table.exists(pid):
        return True
    was, now = holder.get("pid_ticks"), table.ticks(pid)
    if was is not None and now is not None:
        return bool(was != now)
    if now is not None or was is not None:
        return False
    start, started = holder.get("pid_start"), table.started(pid)
    return start is not None and started is not None and abs(started - start) > _SAME_START_S


def _first_line(path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return ""


def _process_namespace() -> str:
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return ""
