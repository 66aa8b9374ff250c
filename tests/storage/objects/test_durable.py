from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from storage.objects import durable
from storage.objects.durable import create_durably, staging_files


def test_it_creates_once_and_leaves_no_staging_file(tmp_path: Path) -> None:
    path = tmp_path / "journal" / "00000000"
    assert create_durably(path, b"first")
    assert not create_durably(path, b"second")
    assert path.read_bytes() == b"first"
    assert list(staging_files(tmp_path)) == []


def test_bytes_reach_the_disk_before_the_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "key"
    flushed = []
    monkeypatch.setattr(durable.os, "fsync", lambda descriptor: flushed.append((descriptor, path.exists())))
    create_durably(path, b"value")
    named_at_flush = [exists for _, exists in flushed]
    assert named_at_flush == [False, True, True]


def test_a_failure_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(durable.os, "link", fail)
    with pytest.raises(OSError, match="No space left"):
        create_durably(tmp_path / "key", b"value")
    assert list(tmp_path.iterdir()) == []


def test_a_file_system_without_links_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, os.strerror(1))

    monkeypatch.setattr(durable.os, "link", refuse)
    with pytest.raises(OSError, match="no hard links"):
        create_durably(tmp_path / "key", b"value")


def test_staging_files_are_told_from_others(tmp_path: Path) -> None:
    for name in ("c/0/1#1", "c/0/1#23", "a.partial", "c/0/1", "zarr.json", "x#y"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert {path.name for path in staging_files(tmp_path)} == {"1#1", "1#23", "a.partial"}


def test_all_that_a_power_cut_could_lose_is_flushed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file with all its bytes, then the folder that names it, then the folder that names that one."""
    path, flushed = tmp_path / "journal" / "00000000", []

    def fsync(descriptor: int) -> None:
        facts = os.fstat(descriptor)
        flushed.append((facts.st_ino, facts.st_size if stat.S_ISREG(facts.st_mode) else None))

    monkeypatch.setattr(durable.os, "fsync", fsync)
    assert create_durably(path, b"value" * 100)
    expected = [(path.stat().st_ino, 500), (path.parent.stat().st_ino, None), (tmp_path.stat().st_ino, None)]
    assert flushed == expected


@pytest.mark.parametrize("taken", [False, True])
def test_nothing_half_written_stays(tmp_path: Path, taken: bool) -> None:
    path = tmp_path / "key"
    if taken:
        path.write_bytes(b"theirs")
    assert create_durably(path, b"ours") != taken
    assert [one.name for one in tmp_path.iterdir()] == ["key"]
    assert path.read_bytes() == (b"theirs" if taken else b"ours")
