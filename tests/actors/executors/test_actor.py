"""The shell: it says at once that it is there, and loads when it is greeted."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from actors.executors.actor import WorkerActor


class FakeWorker:
    def __init__(self, made: tuple[Any, ...]) -> None:
        self._made = made

    def hello(self) -> str:
        return "hello"

    def run(self, task: Any, contributions: Any, sums: Any) -> tuple[Any, tuple[Any, ...]]:
        return (task, contributions, sums), self._made


@pytest.mark.parametrize("made", [(), ("for region 1", "for region 2")])
def test_it_forwards(monkeypatch: pytest.MonkeyPatch, made: tuple[Any, ...]) -> None:
    """What a task makes follows its outcome; without any there is the outcome alone, as Ray counts what is returned."""
    shop = SimpleNamespace(build=lambda setup: FakeWorker(made) if setup == "setup" else None)
    building = SimpleNamespace(Workshop=lambda: shop)
    monkeypatch.setitem(sys.modules, "actors.work.building", building)
    actor: Any = WorkerActor()
    actor.place()
    assert actor.hello("setup") == "hello"
    outcome = ("task", ("a", "b"), "sums")
    assert actor.run("task", "sums", "a", "b") == ((outcome, *made) if made else outcome)


def test_its_process_says_that_it_is_there_before_it_imports_the_libraries() -> None:
    line = "import sys, actors.executors.actor; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", line], check=False).returncode == 0
