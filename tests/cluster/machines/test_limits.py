"""Limits of containers, from files as the kernel writes them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from cluster.machines import limits
from cluster.machines.limits import count_cpus, memory_left

GIB = 1 << 30
Make = Callable[..., tuple[Path, Path]]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Files below ``/sys/fs/cgroup`` and what is in ``/proc/self/cgroup``."""

    def write(membership: str, files: dict[str, object]) -> tuple[Path, Path]:
        groups, mine = tmp_path / "cgroup", tmp_path / "self"
        groups.mkdir(exist_ok=True)
        mine.write_text(membership)
        for name, value in files.items():
            (groups / name).parent.mkdir(parents=True, exist_ok=True)
            (groups / name).write_text(f"{value}\n")
        return groups, mine

    return write


@pytest.fixture
def eight_cpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: set(range(8)), raising=False)


def test_version_two(make: Make, eight_cpus: None) -> None:
    """The container sees its own group at the top."""
    files = {"memory.max": 4 * GIB, "memory.current": GIB, "cpu.max": "250000 100000"}
    where = make("0::/\n", files)
    assert memory_left(*where) == 3 * GIB
    assert count_cpus(*where) == 2


def test_unused_pages_of_files_are_free(make: Make) -> None:
    """A run writes and reads much: its group is always full of them."""
    stat = f"anon 5\ninactive_file {2 * GIB}\nactive_file 7"
    where = make("0::/\n", {"memory.max": 4 * GIB, "memory.current": 4 * GIB, "memory.stat": stat})
    assert memory_left(*where) == 2 * GIB


def test_the_tightest_on_the_way_up(make: Make, eight_cpus: None) -> None:
    files = {
        "pod/one/memory.max": "max",
        "pod/one/memory.current": GIB,
        "pod/one/cpu.max": "max 100000",
        "pod/memory.max": 8 * GIB,
        "pod/memory.current": 6 * GIB,
        "pod/cpu.max": "300000 100000",
        "other/memory.max": 1,
        "other/memory.current": 1,
    }
    where = make("0::/pod/one\n", files)
    assert memory_left(*where) == 2 * GIB
    assert count_cpus(*where) == 3


@pytest.mark.parametrize("inside", [True, False])
def test_version_one(make: Make, eight_cpus: None, inside: bool) -> None:
    """Inside a container the path is the host's, and is not there."""
    place = "" if inside else "docker/abc/"
    files = {
        f"memory/{place}memory.limit_in_bytes": 3 * GIB,
        f"memory/{place}memory.usage_in_bytes": 2 * GIB,
        f"memory/{place}memory.stat": f"inactive_file 0\ntotal_inactive_file {GIB}",
        f"cpu,cpuacct/{place}cpu.cfs_quota_us": 150000,
        f"cpu,cpuacct/{place}cpu.cfs_period_us": 100000,
    }
    where = make("4:memory:/docker/abc\n3:cpu,cpuacct:/docker/abc\n1:name=systemd:/docker/abc\n", files)
    assert memory_left(*where) == 2 * GIB
    assert count_cpus(*where) == 1


def test_nothing_limits(make: Make, eight_cpus: None, tmp_path: Path) -> None:
    assert memory_left(tmp_path / "none", tmp_path / "nothing") is None
    assert count_cpus(tmp_path / "none", tmp_path / "nothing") == 8
    files = {"memory.max": "max", "memory.current": GIB, "cpu.max": "max 100000"}
    assert memory_left(*make("0::/\n", files)) is None
    assert (
        memory_left(
            *make("4:memory:/\n", {"memory/memory.limit_in_bytes": 2**63 - 4096, "memory/memory.usage_in_bytes": 9})
        )
        is None
    )
    assert count_cpus(*make("0::/\n", {"cpu.cfs_quota_us": -1, "cpu.cfs_period_us": 100000})) == 8


def test_less_than_a_core_is_one(make: Make, eight_cpus: None) -> None:
    assert count_cpus(*make("0::/\n", {"cpu.max": "50000 100000"})) == 1


def test_a_group_over_its_limit_has_nothing_left(make: Make) -> None:
    assert memory_left(*make("0::/\n", {"memory.max": GIB, "memory.current": 2 * GIB})) == 0


def test_free_memory_is_the_lower_of_both(monkeypatch: pytest.MonkeyPatch) -> None:
    available = psutil.virtual_memory()._replace(available=7 * GIB)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: available)
    for left, expected in ((None, 7 * GIB), (1000, 1000), (1 << 60, 7 * GIB)):
        monkeypatch.setattr(limits, "memory_left", lambda left=left: left)
        assert limits.free_memory() == expected
    assert limits.count_cpus() >= 1
