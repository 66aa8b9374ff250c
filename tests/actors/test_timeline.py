"""Notes come back as they were made, in segments that are written when they are due."""

from __future__ import annotations

from pathlib import Path

import pytest

from actors import timeline as module
from actors.schedule.task import Kind, Outcome, Task
from actors.timeline import FLUSH_SECONDS, Timeline
from storage.objects.root import ObjectRoot
from storage.timeline import Segment, read_segments


def segments(root: ObjectRoot) -> list[Segment]:
    found = list(read_segments(root))
    assert not any(isinstance(one, str) for one in found)
    return found  # type: ignore[return-value]


def test_tasks_are_told_by_the_workers_clock(tmp_path: Path) -> None:
    """And with them what the coordinator's clock said when it heard of them."""
    root = ObjectRoot.open(tmp_path / "run")
    timeline = Timeline(root=root, generation=4, clock=lambda: 1000.0)
    done = Outcome(seconds=2.0, backbone_seconds=1.25, ended=1600.5)
    timeline.note_task("tile-2", Task(Kind.DENOISE, 3, 7), done, counts=True)
    timeline.note_task("tile-1", Task(Kind.MERGE, 3, 7), Outcome(seconds=0.5), counts=False)
    timeline.flush(at_once=True)
    (segment,) = segments(root)
    tasks = segment.tasks
    assert (segment.generation, segment.number, segment.workers) == (4, 0, ("tile-2", "tile-1"))
    assert (tasks.kind, tasks.step, tasks.region) == (("denoise", "merge"), (3, 3), (7, 7))
    assert (tasks.worker, tasks.counts) == ((0, 1), (True, False))
    assert (tasks.ended, tasks.seconds, tasks.backbone) == ((1600.5, 1000.0), (2.0, 0.5), (1.25, 0.0))
    assert tasks.lag == (-600.5, 0.0)


def test_segments_are_written_when_they_are_due(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    root = ObjectRoot.open(tmp_path / "run")
    timeline = Timeline(root=root, generation=0, clock=lambda: now[0])
    timeline.flush(at_once=True)
    timeline.note("joined", "a")
    now[0] += FLUSH_SECONDS - 1
    timeline.flush()
    assert segments(root) == [], "nothing, then nothing yet"
    now[0] += 1
    timeline.flush()
    monkeypatch.setattr(module, "MOST_TASKS", 2)
    for region in range(3):
        timeline.note_task("a", Task(Kind.MERGE, 0, region), Outcome(), counts=True)
        timeline.flush()
    timeline.flush(at_once=True)
    found = segments(root)
    assert [one.number for one in found] == [0, 1, 2]
    assert [(one.what, one.worker, one.time) for one in found[0].happenings] == [("joined", "a", 1000.0)], (
        "told when it was noted"
    )
    assert [one.tasks.region for one in found] == [(), (0, 1), (2,)]


def test_what_the_store_did_not_take_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = ObjectRoot.open(tmp_path / "run")
    timeline = Timeline(root=root, generation=0)
    timeline.note("joined", "a")
    with monkeypatch.context() as patch:
        patch.setattr(ObjectRoot, "put", lambda *_: (_ for _ in ()).throw(OSError("away")))
        with pytest.raises(OSError, match="away"):
            timeline.flush(at_once=True)
    timeline.flush(at_once=True)
    (segment,) = segments(root)
    assert segment.number == 0
    assert segment.happenings[0].worker == "a"
