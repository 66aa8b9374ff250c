"""One status for all pictures."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from cluster.console.screen import Terminal
from cluster.runs.collection.ledger import DONE, FAILED, Fate
from cluster.runs.collection.progress import LINE_SECONDS, STATUS_SECONDS, Progress, text_of
from storage.run import RunStore


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def said() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def progress(tmp_path: Path, clock: Clock, said: io.StringIO) -> Progress:
    """Of four pictures, one of which was done before."""
    return Progress(
        store=RunStore.open(str(tmp_path / "run")),
        generation=3,
        sizes={"a": 900_000, "b": 0, "c": 400_000, "d": 100_000},
        over={"d": DONE},
        console=Terminal(file=said),
        clock=clock,
    )


def fate(name: str, state: str) -> Fate:
    return Fate(name=name, state=state, input=name, asked="", stamp="")


def test_large_pictures_count_for_more(progress: Progress, clock: Clock) -> None:
    """Of 1.8 MB, 0.1 a picture among them, 0.2 were there; 0.5 and 0.1 were done in six seconds."""
    clock.now += 6
    progress.note(fate("b", FAILED))
    status = progress.status({"a": {"fraction": 0.5}, "c": {}})
    assert status["fraction"] == pytest.approx(0.8 / 1.8)
    assert status["eta_seconds"] == pytest.approx(10)
    assert status["pictures"] == {"total": 4, "done": 1, "failed": 1}
    assert status["at_work"] == [{"name": "a", "fraction": 0.5}, {"name": "c", "fraction": 0.0}]
    assert (status["state"], status["generation"], status["seconds"]) == ("running", 3, 6)
    assert text_of(status) == " 44%, 2 of 4 pictures, 1 of them failed, 2 at work, ETA 0:10"


def test_lines_and_the_status_come_now_and_then(progress: Progress, clock: Clock, said: io.StringIO) -> None:
    with progress:
        for _ in range(3):
            progress.look({})
        assert said.getvalue().count("\n") == 1
        clock.now += STATUS_SECONDS + 0.1
        progress.note(fate("a", DONE))
        progress.look({})
        assert json.loads(progress.store.read_status() or b"")["pictures"]["done"] == 2
        assert said.getvalue().count("\n") == 1
        clock.now += LINE_SECONDS
        progress.look({})
    assert said.getvalue().count("\n") == 2
    assert "pictures:  67%, 2 of 4 pictures, ETA" in said.getvalue()


def test_the_last_status_says_how_it_ended(progress: Progress) -> None:
    progress.finish("failed", "no room")
    status = json.loads(progress.store.read_status() or b"")
    assert (status["state"], status["stage"], status["reason"]) == ("failed", "failed", "no room")
    assert "ETA" not in text_of(status)
    assert "reason" not in progress.finish("finished")
