"""Watching processes that are functions, with events in place of a clock; no Ray is started."""

from __future__ import annotations

import os
import sys
import threading
from types import SimpleNamespace
from typing import Any

import pytest

from actors.executors.protocol import RayDiedError
from cluster.machines import vigil as module
from cluster.machines.vigil import Vigil, died, leave_dead_ray, watch_ray

SOON = 60.0
"""seconds after which something that should have happened long ago never will"""


def test_all_live() -> None:
    vigil = Vigil(processes={"gcs_server": lambda: True, "raylet": lambda: True})
    assert vigil.look() is None
    vigil.check()
    assert Vigil(processes={}).look() is None


def test_the_first_that_died_is_named_and_stays_dead() -> None:
    lives = {"gcs_server": True, "raylet": False}
    vigil = Vigil(processes={name: lambda name=name: lives[name] for name in lives})
    assert vigil.look() == "raylet"
    lives.update(raylet=True, gcs_server=False)
    assert vigil.look() == "raylet"
    with pytest.raises(RayDiedError, match=r"Ray's own processes died \(raylet\): .* Nothing finished is lost"):
        vigil.check()


class Ending:
    """Says and leaves, as the test sees it."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.left = threading.Event()
        self.code: int | None = None

    def leave(self, code: int) -> None:
        self.code = code
        self.left.set()


def test_a_block_that_does_not_end_has_its_last_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """First said, then left, with code 1, and once."""
    monkeypatch.setattr(module, "LOOK_SECONDS", 0.001)
    ending, vigil = Ending(), Vigil(processes={"raylet": lambda: False})
    with vigil.last_words(ending.said.append, grace=0.001, leave=ending.leave):
        assert ending.left.wait(SOON)
        assert ending.said == [died("raylet")]
    assert ending.code == 1
    assert len(ending.said) == 1


def test_one_that_ends_by_itself_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the time that it is given after the death was seen."""
    monkeypatch.setattr(module, "LOOK_SECONDS", 0.001)
    ending, seen = Ending(), threading.Event()

    def lives() -> bool:
        seen.set()
        return False

    with Vigil(processes={"raylet": lives}).last_words(ending.said.append, grace=SOON, leave=ending.leave):
        assert seen.wait(SOON)
    assert (ending.said, ending.code) == ([], None)


def test_while_all_live_it_looks_again_and_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOOK_SECONDS", 0.001)
    ending, looks, often = Ending(), [], threading.Event()

    def lives() -> bool:
        looks.append(1)
        if len(looks) == 3:
            often.set()
        return True

    with Vigil(processes={"raylet": lives}).last_words(ending.said.append, grace=0, leave=ending.leave):
        assert often.wait(SOON)
    assert ending.said == []
    count = len(looks)
    assert "gigatile-vigil" not in {thread.name for thread in threading.enumerate()}
    assert len(looks) == count


def test_an_error_ends_the_watch_too() -> None:
    with pytest.raises(KeyError, match="lost"), Vigil(processes={}).last_words(print):
        raise KeyError("lost")
    assert "gigatile-vigil" not in {thread.name for thread in threading.enumerate()}


def node(processes: dict[str, Any], socket: str = "") -> Any:
    return SimpleNamespace(
        all_processes=processes, raylet_socket_name=socket, get_logs_dir_path=lambda: "/tmp/ray/session/logs"
    )


@pytest.fixture
def ray(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A module of that name, which is driver of nothing."""
    fake: Any = SimpleNamespace(_private=SimpleNamespace(worker=SimpleNamespace(_global_node=None)))
    monkeypatch.setitem(sys.modules, "ray", fake)
    return fake._private.worker


def process(code: int | None) -> Any:
    return SimpleNamespace(process=SimpleNamespace(poll=lambda: code, kill=lambda: None))


def test_processes_that_this_one_started(ray: Any) -> None:
    """Those alone that a driver cannot do without."""
    assert watch_ray().processes == {}
    ray._global_node = node({"gcs_server": [process(None)], "raylet": [process(None)], "log_monitor": [process(1)]})
    vigil = watch_ray()
    assert vigil.processes.keys() == {"gcs_server", "raylet"}
    assert vigil.look() is None
    ray._global_node = node({"gcs_server": [process(0)], "raylet": []})
    assert watch_ray().look() == "gcs_server"
    assert "its logs are in /tmp/ray/session/logs." in died("raylet")


def test_a_raylet_that_was_joined(ray: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is found by its socket; a process that is not ours but waits to be buried is dead."""
    import psutil

    class Process:
        def __init__(self, name: str, words: list[str] | None) -> None:
            self.info = {"name": name, "cmdline": words}
            self.state: str = psutil.STATUS_SLEEPING
            self.runs = True

        def is_running(self) -> bool:
            return self.runs

        def status(self) -> str:
            if self.state == "gone":
                raise psutil.NoSuchProcess(1)
            return self.state

    mine = Process("raylet", ["raylet", "--socket=/tmp/mine"])
    others = [Process("raylet", ["raylet", "/tmp/other"]), Process("python", ["/tmp/mine"]), Process("raylet", None)]
    monkeypatch.setattr(psutil, "process_iter", lambda _fields: iter([*others, mine]))
    ray._global_node = node({}, socket="/tmp/mine")
    vigil = watch_ray()
    assert list(vigil.processes) == ["raylet"]
    alive = vigil.processes["raylet"]
    assert alive()
    mine.state = psutil.STATUS_ZOMBIE
    assert not alive()
    mine.state = "gone"
    assert not alive()
    mine.state, mine.runs = psutil.STATUS_SLEEPING, False
    assert not alive()
    for socket in ("", "/tmp/none"):
        ray._global_node = node({}, socket=socket)
        assert watch_ray().processes == {}


def test_a_dead_ray_is_left_at_once(ray: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is left of it is ended first; a living one is parted from in good order, by others."""
    done: list[Any] = []

    def info(name: str, code: int | None) -> Any:
        return SimpleNamespace(process=SimpleNamespace(poll=lambda: code, kill=lambda: done.append(name)))

    monkeypatch.setattr(os, "_exit", done.append)
    leave_dead_ray(5)
    ray._global_node = node({"gcs_server": [info("gcs", None)], "raylet": [info("raylet", None)]})
    leave_dead_ray(5)
    assert done == []
    ray._global_node = node({"gcs_server": [info("gcs", None)], "raylet": [info("raylet", 1)], "log": [info("log", 2)]})
    leave_dead_ray(5)
    assert done == ["gcs", "raylet", "log", 5]


def test_without_ray_there_is_nothing_to_leave(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not even imported."""
    monkeypatch.delitem(sys.modules, "ray", raising=False)
    monkeypatch.setattr(os, "_exit", lambda code: pytest.fail("left"))
    leave_dead_ray(3)
    assert "ray" not in sys.modules
    assert "its logs are in its session's folder" in died("raylet")
