"""What this process may use of its machine: a container's limits, which the machine's own figures do not show.

Control groups of Linux are folders below ``/sys/fs/cgroup``; ``/proc/self/cgroup`` says in which of them a process is,
a line a hierarchy. A group's limits hold for all below it, so the tightest one on the way up counts.

    version 2    0::/pod/container            memory.max, memory.current, cpu.max
    version 1    4:memory:/pod/container      memory.limit_in_bytes, memory.usage_in_bytes
                 3:cpu,cpuacct:/pod/...       cpu.cfs_quota_us, cpu.cfs_period_us
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import psutil

GROUPS = Path("/sys/fs/cgroup")
MEMBERSHIP = Path("/proc/self/cgroup")
UNLIMITED = 1 << 60
"""bytes; version 1 writes the most that its counter can hold for no limit"""


def memory_left(groups: Path = GROUPS, membership: Path = MEMBERSHIP) -> int | None:
    """Bytes that this process's groups may still take; None where nothing limits them.

    Pages of files that nobody uses count as free: the system takes them back before a limit is reached.
    """
    left = []
    for folder in _folders("memory", groups, membership):
        for limit_name, usage_name, idle_name in (
            ("memory.max", "memory.current", "inactive_file"),
            ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
        ):
            limit, usage = _number(_read(folder / limit_name)), _number(_read(folder / usage_name))
            if limit is not None and usage is not None and limit < UNLIMITED:
                left.append(max(0, limit - max(0, usage - _idle(folder, idle_name))))
    return min(left, default=None)


def count_cpus(groups: Path = GROUPS, membership: Path = MEMBERSHIP) -> int:
    """Cores that this process can keep busy at once: those it may run on, and no more than its groups get time for."""
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    for folder in _folders("cpu", groups, membership):
        quota, period = _number(_read(folder / "cpu.cfs_quota_us")), _number(_read(folder / "cpu.cfs_period_us"))
        if len(words := _read(folder / "cpu.max").split()) == 2:
            quota, period = _number(words[0]), _number(words[1])
        if quota is not None and period:
            cpus = min(cpus, quota // period)
    return max(1, cpus)


def _folders(controller: str, groups: Path, membership: Path) -> Iterator[Path]:
    """This process's groups that can limit something, each with those above it, up to the top.

    Inside a container the path is often the host's, and only the top is there: it is the container's own group.
    """
    for line in _read(membership).splitlines():
        number, controllers, path = ([*line.split(":", 2), "", ""])[:3]
        if number == "0" and not controllers:
            top = groups
        elif controller in controllers.split(","):
            top = next((groups / name for name in (controllers, controller) if (groups / name).is_dir()), groups)
        else:
            continue
        folder = top / path.lstrip("/")
        while folder != top and top in folder.parents:
            yield folder
            folder = folder.parent
        yield top


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""


def _number(text: str) -> int | None:
    """None for "max", -1 and nothing, which stand for no limit."""
    return int(text) if text.isdigit() else None


def _idle(folder: Path, name: str) -> int:
    for line in _read(folder / "memory.stat").splitlines():
        key, _, value = line.partition(" ")
        if key == name:
            return _number(value) or 0
    return 0


def free_memory() -> int:
    """Bytes that new processes can have on this machine, or in the container that this is."""
    available, left = psutil.virtual_memory().available, memory_left()
    return available if left is None else min(available, left)
