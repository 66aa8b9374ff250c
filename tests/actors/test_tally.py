"""What a sitting has done, with a clock of the test's own."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from actors.schedule.task import Kind, Outcome, Task
from actors.tally import WATCH_SECONDS, Tally
from actors.timeline import Timeline
from storage.objects.root import ObjectRoot
from storage.timeline import read_segments


def test_tasks_are_summed_by_kind() -> None:
    tally, denoise, merge = Tally(), Task(Kind.DENOISE, 0, 0), Task(Kind.MERGE, 0, 0)
    first = Outcome(seconds=2.0, backbone_seconds=1.5, forwards=4, peak_bytes=10)
    tally.count("a", denoise, first, counts=True)
    tally.count("b", denoise, Outcome(seconds=1.0, backbone_seconds=0.5, forwards=2, peak_bytes=7), counts=True)
    tally.count("b", denoise, Outcome(seconds=100.0), counts=False)
    tally.count("a", merge, Outcome(seconds=0.25), counts=True)
    assert tally.done == {Kind.DENOISE: 2, Kind.MERGE: 1}
    assert tally.seconds == {Kind.DENOISE: 3.0, Kind.MERGE: 0.25}
    assert (tally.backbone_seconds, tally.forwards, tally.peak_bytes) == (2.0, 6, 10)


def test_presence_of_workers_is_summed(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    tally = Tally(joined={"a": 100.0, "b": 100.0})
    now = 103.0
    tally.dismiss("a")
    tally.dismiss("a")
    tally.dismiss("nobody")
    tally.admit("c")
    now = 110.0
    assert tally.worker_seconds == 3.0 + 10.0 + 7.0
    assert set(tally.joined) == {"b", "c"}
    assert tally.first_join == 103.0


def test_who_waits_is_sampled() -> None:
    """Seconds since the look before, for each who has nothing; looks that are too near are none."""
    tally = Tally()

    def coordinator(*attempts: int, live: dict[int, int] | None = None) -> Any:
        members = {str(place): SimpleNamespace(attempts=[0] * num) for place, num in enumerate(attempts)}
        return SimpleNamespace(members=members, items=SimpleNamespace(live=live or {}))

    tally.watch(coordinator(0, 0), 100.0)
    assert (tally.waiting_seconds, tally.frontier) == (0.0, None)
    tally.watch(coordinator(0, 2, 0, 1, live={3: 4, 5: 1, 2: 0}), 102.0)
    assert (tally.waiting_seconds, tally.frontier) == (4.0, (3, 5))
    tally.watch(coordinator(0, 0, 0), 102.0 + WATCH_SECONDS / 2)
    assert tally.waiting_seconds == 4.0
    tally.watch(coordinator(1, 0, 0), 103.0)
    assert tally.waiting_seconds == 6.0


def test_the_timeline_hears_of_all(tmp_path: Path) -> None:
    root = ObjectRoot.open(tmp_path / "run")
    tally = Tally(timeline=Timeline(root=root, generation=2, clock=lambda: 50.0), requeues={"late": 3})
    tally.admit("a")
    tally.count("a", Task(Kind.DENOISE, 1, 2), Outcome(seconds=1.0, ended=49.0), counts=False)
    tally.dismiss("a", "its GPU is lost")
    tally.flush()
    assert list(read_segments(root)) == [], "not due yet"
    tally.flush(at_once=True)
    (segment,) = read_segments(root)
    assert not isinstance(segment, str)
    assert [(one.what, one.worker, one.text) for one in segment.happenings] == [
        ("joined", "a", ""),
        ("gone", "a", "its GPU is lost"),
    ]
    assert (segment.generation, segment.requeues, segment.tasks.counts) == (2, {"late": 3}, (False,))
