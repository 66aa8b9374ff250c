"""What is said of a collection in the end."""

from __future__ import annotations

import pytest

from cluster.collection import Collection
from cluster.runs.collection.collect import Collected
from cluster.runs.collection.ledger import DONE, FAILED, Fate
from cluster.terminal.collecting import print_end

JOB = Collection(input="scans", output="s3://bucket/out")


def fate(name: str, state: str, reason: str = "") -> Fate:
    return Fate(name=f"{name}.tif", state=state, input=f"{name}.png", asked="", stamp="", reason=reason)


def test_all_went_well(capsys: pytest.CaptureFixture[str]) -> None:
    assert print_end(JOB, Collected(fates=(fate("a", DONE), fate("b", DONE)), num_before=0), 7.2) == 0
    said = capsys.readouterr()
    assert said.out == "finished 2 of 2 pictures in 7 s: s3://bucket/out\n"
    assert said.err == ""


def test_what_failed_is_listed_with_its_reason(capsys: pytest.CaptureFixture[str]) -> None:
    """The exit code says so, too; what a file's name would do to a terminal is shown."""
    fates = (fate("a", DONE), fate("b\x1b[2J", FAILED, "no image"), fate("c", FAILED, "no room"))
    assert print_end(JOB, Collected(fates=fates, num_before=1), 7) == 1
    said = capsys.readouterr()
    assert said.out == "finished 1 of 3 pictures in 7 s, 1 of them before: s3://bucket/out\n"
    assert said.err.splitlines() == [
        r"failed: b\x1b[2J.png: no image",
        "failed: c.png: no room",
        "gigatile: error: 2 of 3 pictures failed; to try them again, add --retry-failed",
    ]
