"""The folder of a private Ray's sockets, and what is done when its processes die; no Ray is started."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from actors.executors.protocol import RayDiedError
from cluster.machines.private import socket_folder
from cluster.machines.vigil import Vigil


def test_the_usual_folder() -> None:
    assert socket_folder({}) is None


@pytest.mark.parametrize("name", ["TMPDIR", "RAY_TMPDIR"])
def test_a_deep_folder_is_replaced_by_a_short_one(name: str, tmp_path: Path) -> None:
    deep = tmp_path / ("scratch-of-a-job-" * 5)
    assert socket_folder({name: str(deep)}, ["/tmp"]) == Path("/tmp/ray")


def test_what_cannot_be_written_is_replaced_or_refused() -> None:
    assert socket_folder({"TMPDIR": "/dev/null"}, ["/tmp"]) == Path("/tmp/ray")
    with pytest.raises(OSError, match=r"TMPDIR /dev/null: it cannot be written .*set RAY_TMPDIR .*--workers 0"):
        socket_folder({"TMPDIR": "/dev/null"}, [])


def test_no_short_folder_is_refused_with_the_mend(tmp_path: Path) -> None:
    deep = tmp_path / ("scratch-of-a-job-" * 5)
    with pytest.raises(OSError, match=r"bytes too long.*RAY_TMPDIR.*--workers 0"):
        socket_folder({"TMPDIR": str(deep)}, [str(deep)])


def test_the_dead_are_named_and_stay_dead() -> None:
    lives = {"gcs_server": True, "raylet": True}
    vigil = Vigil(processes={name: lambda name=name: lives[name] for name in lives})
    vigil.check()
    lives["raylet"] = False
    with pytest.raises(RayDiedError, match=r"Ray's own processes died \(raylet\)"):
        vigil.check()
    lives["raylet"] = True
    assert vigil.look() == "raylet"


def test_last_words_where_the_driver_is_caught() -> None:
    """The block does not end by itself: what it would have said is said for it, and the process is left."""
    left, said, codes = threading.Event(), list[str](), list[int]()

    def leave(code: int) -> None:
        codes.append(code)
        left.set()

    with Vigil(processes={"raylet": lambda: False}).last_words(said.append, grace=0.0, leave=leave):
        assert left.wait(600)
    assert codes == [1]
    assert "raylet" in said[0]


def test_no_last_words_where_it_ends_by_itself() -> None:
    codes = list[int]()
    vigil = Vigil(processes={"raylet": lambda: False})
    with pytest.raises(RayDiedError), vigil.last_words(codes.append, grace=1000.0, leave=codes.append):  # type: ignore[arg-type]
        vigil.check()
    assert not codes
