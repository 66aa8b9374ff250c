"""What a sitting has done, with a clock of the test's own."""

from __future__ import annotations

import pytest

from actors.schedule.task import Kind, Outcome
from actors.tally import Tally


def test_tasks_are_summed_by_kind() -> None:
    tally = Tally()
    tally.count(Kind.DENOISE, Outcome(seconds=2.0, backbone_seconds=1.5, forwards=4, peak_bytes=10))
    tally.count(Kind.DENOISE, Outcome(seconds=1.0, backbone_seconds=0.5, forwards=2, peak_bytes=7))
    tally.count(Kind.MERGE, Outcome(seconds=0.25))
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
    now = 110.0
    assert tally.worker_seconds == 3.0 + 10.0
    assert set(tally.joined) == {"b"}
