from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from storage.images.staging import no_room, staged
from tests.storage.full_disk import ROOT


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_the_name_appears_at_the_end(tmp_path: Path) -> None:
    target = tmp_path / "out.png"
    with staged(target) as staging:
        staging.write_text("new")
        staging.with_name(f"{staging.name}.scratch").write_text("scratch")
        assert not target.exists()
    assert target.read_text() == "new"
    assert names(tmp_path) == {"out.png"}


def test_the_sidecar_comes_along_and_a_stale_one_goes(tmp_path: Path) -> None:
    target, sidecar = tmp_path / "out.png", tmp_path / "out.png.aux.xml"
    with staged(target) as staging:
        staging.write_text("new")
        staging.with_name(f"{staging.name}.aux.xml").write_text("geo")
    assert sidecar.read_text() == "geo"
    with staged(target) as staging:
        staging.write_text("newer")
    assert names(tmp_path) == {"out.png"}


def test_a_failure_leaves_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "out.png"
    target.write_text("old")

    def fail() -> None:
        with staged(target) as staging:
            staging.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert target.read_text() == "old"
    assert names(tmp_path) == {"out.png"}


def test_what_a_killed_process_left_is_removed(tmp_path: Path) -> None:
    code = """
import os, signal, sys
from pathlib import Path
from storage.images.staging import staged
with staged(Path(sys.argv[1])) as staging:
    staging.write_text("half")
    staging.with_name(staging.name + ".scratch").write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""
    target = tmp_path / "out.png"
    killed = subprocess.run([sys.executable, "-c", code, str(target)], check=False, cwd=ROOT)
    assert killed.returncode == -9
    assert len(names(tmp_path)) == 1
    with staged(target) as staging:
        staging.write_text("whole")
    assert names(tmp_path) == {"out.png"}


def left_by(target: Path, pid: int) -> Path:
    """A folder as a process of that number leaves it."""
    with staged(target) as staging:
        name = staging.parent.name
        staging.write_text("mine")
    return target.with_name(name.replace(f"-{os.getpid()}-", f"-{pid}-"))


def test_a_living_process_keeps_its_files(tmp_path: Path) -> None:
    target = tmp_path / "out.png"
    other = left_by(target, os.getppid())
    other.mkdir()
    left_by(target, 1)
    assert other.exists()


def test_a_file_that_looks_like_a_leftover_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("storage.images.staging.psutil.pid_exists", lambda pid: False)
    target = tmp_path / "out.png"
    other = left_by(target, 7)
    other.write_text("not ours")
    left_by(target, 7)
    assert other.read_text() == "not ours"


def test_nothing_is_written_through_a_link(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The name cannot be known beforehand; and where it were, the folder would be refused, not followed."""
    target, precious = tmp_path / "out.png", tmp_path / "precious"
    seen = {left_by(target, 0).name for _ in range(3)}
    assert len(seen) == 3
    monkeypatch.setattr("storage.images.staging.secrets.token_hex", lambda count: "0" * 2 * count)
    guessed = left_by(target, os.getpid())
    precious.mkdir()
    guessed.symlink_to(precious)
    with pytest.raises(FileExistsError):
        left_by(target, 0)
    assert names(precious) == set()


def test_files_are_made_as_the_umask_says(tmp_path: Path) -> None:
    old = os.umask(0o027)
    try:
        with staged(tmp_path / "out.png") as staging:
            staging.write_text("new")
            assert staging.parent.stat().st_mode & 0o077 == 0
    finally:
        os.umask(old)
    assert (tmp_path / "out.png").stat().st_mode & 0o777 == 0o640


def test_a_long_name(tmp_path: Path) -> None:
    target = tmp_path / f"{'n' * 241}.png"
    with staged(target) as staging:
        staging.write_text("new")
        staging.with_name(f"{staging.name}.aux.xml").write_text("geo")
    assert target.read_text() == "new"


def test_what_told_of_an_older_picture_goes(tmp_path: Path) -> None:
    target = tmp_path / "out.tif"
    stale = {"out.tif.ovr", "out.tif.msk", "out.tif.aux.xml", "out.tfw", "out.tif.msk.ovr"}
    for name in {*stale, "out.wld", "other.tfw", "out.pgw", "spared.tif.ovr"}:
        (tmp_path / name).touch()
    with staged(target, spare=[str(tmp_path / "out.tfw")]) as staging:
        staging.write_text("new")
        assert stale < names(tmp_path)
    assert names(tmp_path) == {"out.tif", "out.tfw", "out.wld", "other.tfw", "out.pgw", "spared.tif.ovr"}


def test_there_is_room_here(tmp_path: Path) -> None:
    assert no_room(tmp_path / "staging") is None


def test_all_bytes_are_on_the_disk_before_the_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the picture and of its sidecar; what was there stays until then, whole."""
    target, flushed = tmp_path / "out.tif", []
    target.write_bytes(b"old")

    def fsync(descriptor: int) -> None:
        flushed.append((os.fstat(descriptor).st_size, target.read_bytes()))

    monkeypatch.setattr(os, "fsync", fsync)
    with staged(target) as staging:
        staging.write_bytes(b"a picture")
        staging.with_name(staging.name + ".aux.xml").write_bytes(b"facts")
    assert flushed == [(9, b"old"), (5, b"old")]
    assert target.read_bytes() == b"a picture"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.tif", "out.tif.aux.xml"]


@pytest.mark.parametrize("is_ours", [True, False])
def test_only_our_own_leftovers_are_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_ours: bool) -> None:
    """Somebody else may have a folder of such a name, of a process that is gone."""
    monkeypatch.setattr("storage.images.staging.psutil.pid_exists", lambda pid: False)
    target, owner = tmp_path / "out.png", os.geteuid()
    other, link = left_by(target, 7), left_by(target, 8)
    other.mkdir()
    (other / "half").touch()
    link.symlink_to(other)
    monkeypatch.setattr("storage.images.staging.os.geteuid", lambda: owner if is_ours else owner + 1)
    with staged(target) as staging:
        staging.write_text("new")
        assert other.exists() == (not is_ours)
        assert link.is_symlink(), "what is no folder stays"


@pytest.mark.parametrize(("number", "is_full"), [(errno.ENOSPC, True), (errno.EDQUOT, True), (errno.EIO, False)])
def test_why_a_file_cannot_grow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, is_full: bool) -> None:
    (tmp_path / "scratch").write_bytes(b"half")
    tried: list[int] = []

    def refuse(descriptor: int) -> None:
        tried.append(os.fstat(descriptor).st_size)
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("storage.images.staging.os.fsync", refuse)
    found = no_room(tmp_path / "staging")
    assert (None if found is None else found.errno) == (number if is_full else None)
    # the scratch file first, then the picture's
    mib = 2**20
    assert tried == ([mib + 4] if is_full else [mib + 4, mib])
