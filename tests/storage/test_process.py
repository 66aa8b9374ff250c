"""Whether a recorded process lives: by a table of processes that is made up, and by the real one."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from storage import process
from storage.process import SYSTEM, SystemTable, identify, is_gone


@dataclass
class Table:
    """Living processes: pid -> (ticks since boot, time of day of the start)."""

    living: dict[int, tuple[int | None, float | None]] = field(default_factory=dict)

    def ticks(self, pid: int) -> int | None:
        return self.living.get(pid, (None, None))[0]

    def started(self, pid: int) -> float | None:
        return self.living.get(pid, (None, None))[1]

    def exists(self, pid: int) -> bool:
        return pid in self.living


HERE = {"host": "a", "host_id": "boot space"}
HOLDER: dict[str, Any] = {**HERE, "pid": 7, "pid_ticks": 500, "pid_start": 1000.0}
OLD = {key: value for key, value in HOLDER.items() if key != "pid_ticks"}


@pytest.mark.parametrize(
    ("holder", "table", "gone"),
    [
        (HOLDER, Table({7: (500, 1000.0)}), False),
        # the clock was set: forward by a day, and back
        (HOLDER, Table({7: (500, 87400.0)}), False),
        (HOLDER, Table({7: (500, -5000.0)}), False),
        (HOLDER, Table({}), True),
        # the number was given away again, within the same minute
        (HOLDER, Table({7: (900, 1004.0)}), True),
        (OLD, Table({}), True),
        (OLD, Table({7: (500, 87400.0)}), False),
        ({**HOLDER, "pid_ticks": None}, Table({7: (500, 87400.0)}), False),
        # a system without ticks keeps the time of day of a start as it was
        ({**HOLDER, "pid_ticks": None}, Table({7: (None, 1000.5)}), False),
        ({**HOLDER, "pid_ticks": None}, Table({7: (None, 2000.0)}), True),
        ({**HOLDER, "pid_ticks": None}, Table({7: (None, None)}), False),
        # another machine, another boot, another container: nothing is known
        ({**HOLDER, "host": "b"}, Table({}), False),
        ({**HOLDER, "host_id": "later space"}, Table({}), False),
        ({**HOLDER, "host_id": "boot other"}, Table({}), False),
    ],
)
def test_whether_a_holder_is_gone(holder: dict[str, Any], table: Table, gone: bool) -> None:
    assert is_gone(holder, HERE, table) is gone


def test_machines_without_a_name_of_their_own_are_never_taken_for_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where neither boot nor namespace can be read, two containers of one host name would look like one machine."""
    monkeypatch.setattr(process, "_first_line", lambda _path: "")
    monkeypatch.setattr(sys, "platform", "linux")
    here = identify(Table())
    assert here["host_id"] == ""
    assert not is_gone({**here, "pid": 7}, here, Table())


@pytest.mark.parametrize("name", ["python", "a b", "x) R 1 (y", "(("])
def test_ticks_are_field_22_whatever_the_process_is_called(name: str, tmp_path: Path) -> None:
    """proc(5): pid (comm) state ppid ... starttime; comm is not escaped."""
    (tmp_path / "7").mkdir()
    fields = ["S", *map(str, range(4, 22)), "123456", *map(str, range(23, 53))]
    (tmp_path / "7" / "stat").write_text(f"7 ({name}) {' '.join(fields)}\n")
    assert SystemTable(tmp_path).ticks(7) == 123456


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="no /proc")
def test_a_child_that_nobody_waited_for_is_gone() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    holder = {**identify(), "pid": child.pid, "pid_ticks": SYSTEM.ticks(child.pid)}
    assert not is_gone(holder, identify())
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # dead, and still in the table
    assert is_gone(holder, identify())
    child.communicate()
    assert is_gone(holder, identify())
