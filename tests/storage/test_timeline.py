"""A timeline comes back as it was written, and what cannot be read of it is told."""

from __future__ import annotations

import json
import zlib
from pathlib import Path
from typing import Any

import pytest

from storage.objects.root import ObjectRoot
from storage.place import is_aside
from storage.timeline import Columns, Happening, Segment, read_segments, write_segment

TASKS = Columns(
    kind=("merge",),
    step=(2,),
    region=(5,),
    worker=(0,),
    ended=(1e9,),
    seconds=(0.5,),
    backbone=(0.25,),
    lag=(-3.5,),
    counts=(True,),
)
WHOLE = Segment(
    generation=12,
    number=0,
    workers=("tile-1",),
    tasks=TASKS,
    happenings=(Happening(time=1e9, what="stage", text="ingest"),),
    requeues={"late": 2},
)


def test_segments_come_back_in_their_order(tmp_path: Path) -> None:
    root = ObjectRoot.open(tmp_path / "run")
    written = [Segment(generation=2, number=1), WHOLE, Segment(generation=2, number=0)]
    for segment in written:
        write_segment(root, segment)
    assert list(read_segments(root)) == [written[2], written[0], written[1]]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"workers": []}, "workers that it names"),
        ({"tasks": {"step": [1, 2]}}, "columns of one length"),
        ({"tasks": {"seconds": ["long"]}}, "seconds"),
        ({"tasks": {"ended": [1e300]}}, "ended"),
    ],
)
def test_what_cannot_be_read_is_told(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    """And what stands beside it is read."""
    root = ObjectRoot.open(tmp_path / "run")
    write_segment(root, WHOLE)
    (key,) = root.list("timeline")
    table = json.loads(zlib.decompress(root.get(key)))
    table["tasks"] |= change.pop("tasks", {})
    root.put("timeline/00000001-00000000", zlib.compress(json.dumps(table | change).encode()))
    root.put("timeline/00000001-00000001", b"neither")
    one, other, whole = read_segments(root)
    assert isinstance(one, str)
    assert "timeline/00000001-00000000" in one
    assert said in one
    assert isinstance(other, str)
    assert "cannot be read" in other
    assert whole == WHOLE


def test_what_is_written_aside_is_the_runs() -> None:
    assert is_aside("timeline/00000001-00000000#3")
    assert not is_aside("timeline/notes#3")
