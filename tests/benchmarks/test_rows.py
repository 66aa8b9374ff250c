"""Rows that are kept and printed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.rows import keep_row


def test_rows_are_appended_and_printed_under_their_heads(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "results" / "a.jsonl"
    for seconds in (1.5, 2):
        keep_row(path, {"model": "analytic", "seconds": seconds})
    assert [json.loads(line)["seconds"] for line in path.read_text().splitlines()] == [1.5, 2]
    printed = capsys.readouterr().out.splitlines()
    assert printed[:3] == ["| model | seconds |", "|---|---|", "| analytic | 1.5 |"]
