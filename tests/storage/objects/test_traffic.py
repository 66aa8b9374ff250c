"""Bytes that a store was asked for and given."""

from __future__ import annotations

from pathlib import Path

import pytest

from storage.objects.root import ObjectRoot


def test_bytes_are_counted_both_ways(tmp_path: Path) -> None:
    root = ObjectRoot.open(tmp_path / "run")
    root.put("a", b"12345")
    root.put_new("b", b"123", durable=True)
    root.get("a")
    root.get("a")
    with pytest.raises(KeyError):
        root.get("c")
    assert (root.traffic.written, root.traffic.read) == (8, 10)
