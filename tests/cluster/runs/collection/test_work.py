"""Pictures done one after another or several at once: each fails alone, and what finished is told."""

from __future__ import annotations

import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from actors.drive import StoppedError
from actors.executors.protocol import WorkersExhaustedError
from cluster.collection import Collection
from cluster.machines.this_machine import ThisMachine
from cluster.machines.warm import WarmBackend
from cluster.runs.collection import work as module
from cluster.runs.collection.entries import Entry, entries_of
from cluster.runs.collection.ledger import DONE, FAILED, Fate
from cluster.runs.collection.work import Shift


@pytest.fixture
def entries() -> list[Entry]:
    return entries_of(Collection(input=("a.png", "b.png", "c.png", "d.png"), output="out"), WarmBackend(ThisMachine()))


@pytest.fixture(autouse=True)
def nothing_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "facts_of", lambda exported: {"sha256": exported})


def shift(entries: list[Entry], do: Any, **given: Any) -> tuple[Shift, list[Fate]]:
    fates: list[Fate] = []
    asked = {entry.name: f"digest of {entry.name}" for entry in entries}
    made = Shift(**{"asked": asked, "should_stop": lambda: False, "on_fate": fates.append, "do": do, **given})
    return made, fates


@pytest.mark.parametrize("at_once", [1, 3])
def test_one_that_fails_stops_no_other(entries: list[Entry], at_once: int) -> None:
    ended: list[str] = []

    def do(job: Any, **_options: Any) -> Any:
        if job.input == "b.png":
            raise ValueError("broken\nin two lines")
        return SimpleNamespace(exported=f"sha of {job.input}")

    made, fates = shift(entries, do, on_end=ended.append)
    made.work(entries, at_once)
    found = {fate.name: fate for fate in fates}
    assert {name: fate.state for name, fate in found.items()} == {
        "a.tif": DONE,
        "b.tif": FAILED,
        "c.tif": DONE,
        "d.tif": DONE,
    }
    assert found["b.tif"].reason == "broken in two lines"
    assert found["a.tif"].facts == {"sha256": "sha of a.png"}
    assert found["c.tif"].asked == "digest of c.tif"
    assert sorted(ended) == [f"out/{name}.tif" for name in "abcd"]
    assert made.at_work == {}


def test_a_fault_of_ours_is_told_with_its_traceback(entries: list[Entry], caplog: pytest.LogCaptureFixture) -> None:
    def do(_job: Any, **_options: Any) -> Any:
        raise AssertionError

    made, fates = shift(entries[:1], do)
    made.work(entries[:1], 1)
    assert [(fate.state, fate.reason) for fate in fates] == [(FAILED, "AssertionError")]
    assert "a.png: an error that should not be" in caplog.text
    assert "Traceback" in caplog.text


@pytest.mark.parametrize("at_once", [1, 2])
def test_what_ends_all_ends_all(entries: list[Entry], at_once: int) -> None:
    """The others stop between two tasks; what finished before is told."""
    begun: list[str] = []

    def do(job: Any, *, should_stop: Any, **_options: Any) -> Any:
        begun.append(job.input)
        if job.input == "a.png":
            return SimpleNamespace(exported="a")
        if job.input == "b.png":
            raise WorkersExhaustedError("4 workers in a row did not start")
        while not should_stop():
            pass
        raise StoppedError("stopped")

    made, fates = shift(entries, do)
    with pytest.raises(WorkersExhaustedError, match="4 workers"):
        made.work(entries, at_once)
    assert [fate.name for fate in fates] == ["a.tif"]
    assert "d.png" not in begun


@pytest.mark.parametrize("at_once", [1, 2])
def test_a_stop_is_asked_for(entries: list[Entry], at_once: int) -> None:
    pressed, begun = threading.Event(), list[str]()

    def do(job: Any, *, should_stop: Any, **_options: Any) -> Any:
        begun.append(job.input)
        if job.input == "a.png":
            return SimpleNamespace(exported="a")
        pressed.set()
        while not should_stop():
            pass
        raise StoppedError("stopped")

    made, fates = shift(entries, do, should_stop=pressed.is_set)
    with pytest.raises(StoppedError):
        made.work(entries, at_once)
    assert [fate.name for fate in fates] == ["a.tif"]
    assert "d.png" not in begun


def test_as_many_at_once_as_were_asked_for(entries: list[Entry]) -> None:
    """All wait for one another: fewer at once would wait for ever."""
    together = threading.Barrier(4, timeout=60)

    def do(job: Any, **_options: Any) -> Any:
        together.wait()
        return SimpleNamespace(exported=job.input)

    made, fates = shift(entries, do)
    made.work(entries, 4)
    assert len(fates) == 4


@pytest.mark.parametrize("at_once", [1, 2])
def test_who_looks_hears_of_what_is_at_work(entries: list[Entry], at_once: int) -> None:
    """And a warning of many is told once."""
    seen: list[dict[str, Any]] = []

    def do(job: Any, *, should_stop: Any, on_status: Any, on_plan: Any, **_options: Any) -> Any:
        on_plan(SimpleNamespace(warnings=("it is small",)))
        on_status({"fraction": 0.25})
        while not any("a.tif" in one for one in seen):
            should_stop()
        return SimpleNamespace(exported=job.input)

    made, _ = shift(entries, do, on_look=seen.append)
    made.work(entries, at_once)
    assert {"fraction": 0.25} in [one.get("a.tif") for one in seen]
    assert made.warned == {"it is small"}


def test_the_files_stamp_is_of_before_it_was_read(tmp_path: Path) -> None:
    """One that changes meanwhile is read again by the next command."""
    path = tmp_path / "a.png"
    path.write_bytes(b"x")
    (entry,) = entries_of(Collection(input=str(path), output="out/"), WarmBackend(ThisMachine()))
    before = entry.stamp()

    def do(job: Any, **_options: Any) -> Any:
        path.write_bytes(b"xyz")
        return SimpleNamespace(exported=job.input)

    made, fates = shift([entry], do)
    made.work([entry], 1)
    assert fates[0].stamp == before != entry.stamp()
