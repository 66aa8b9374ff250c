"""Folders take each other's place, and at no time does a name tell of what is not there."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from storage.images import check_output
from storage.images.folders import files_in, parts, put_back, take_place
from storage.images.staging import staged
from storage.images.target import check_apart
from tests.storage.full_disk import ROOT


def fill(path: Path, word: str, beside: str = "") -> None:
    for part in parts(path, beside):
        if part.suffix == ".dzi":
            part.write_text(word)
        else:
            part.mkdir(parents=True)
            (part / "word").write_text(word)


def words(folder: Path) -> dict[str, str]:
    return {path.relative_to(folder).as_posix(): path.read_text() for path in files_in(folder)}


@pytest.mark.parametrize(("name", "beside"), [("a.iiif", ""), ("a.dzi", "_files")])
@pytest.mark.parametrize("before", [False, True])
def test_a_new_one_takes_the_place(tmp_path: Path, name: str, beside: str, before: bool) -> None:
    if before:
        fill(tmp_path / name, "old", beside)
    with staged(tmp_path / name, beside=beside) as staging:
        fill(staging, "new", beside)
    assert set(words(tmp_path).values()) == {"new"}
    assert len(list(tmp_path.iterdir())) == len(parts(tmp_path / name, beside))


@pytest.mark.parametrize(("name", "beside"), [("a.iiif", ""), ("a.dzi", "_files")])
@pytest.mark.parametrize("done", range(4))
def test_the_older_one_comes_back(
    tmp_path: Path, name: str, beside: str, done: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever of the renamings is the last one before a process ends."""
    target, aside, left = tmp_path / name, tmp_path / "aside", iter(range(done))
    (tmp_path / "made").mkdir()
    fill(target, "old", beside)
    fill(tmp_path / "made" / name, "new", beside)

    def until_done(rename: Callable[[Path, Path], Path]) -> Callable[[Path, Path], Path]:
        def step(path: Path, other: Path) -> Path:
            if next(left, None) is None:
                raise OSError("not any more")
            return rename(path, other)

        return step

    def told() -> set[str]:
        return {path.read_text() for part in parts(target, beside) for path in files_in(part)}

    with monkeypatch.context() as patch:
        for rename in ("rename", "replace"):
            patch.setattr(Path, rename, until_done(getattr(Path, rename)))
        with suppress(OSError):
            take_place(tmp_path / "made" / name, target, aside, beside)
    assert not target.exists() or len(told()) == 1
    put_back(aside, target)
    assert told() == ({"new"} if done >= 2 and not beside else {"old"})


def test_what_a_killed_process_moved_away_comes_back(tmp_path: Path) -> None:
    code = """
import os, signal, sys
from pathlib import Path
from storage.images.staging import staged
from storage.images import folders
with staged(Path(sys.argv[1])) as staging:
    staging.mkdir()
    Path.replace = lambda *names: os.kill(os.getpid(), signal.SIGKILL)
"""
    target = tmp_path / "a.zarr"
    fill(target, "old")
    killed = subprocess.run([sys.executable, "-c", code, str(target)], check=False, cwd=ROOT)
    assert killed.returncode == -9
    assert not target.exists()
    with pytest.raises(KeyboardInterrupt), staged(target):
        raise KeyboardInterrupt
    assert words(tmp_path) == {"a.zarr/word": "old"}


def test_other_folders_are_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "a.zarr").mkdir()
    check_output(tmp_path / "a.zarr", overwrite=False)
    (tmp_path / "a.zarr/thesis.txt").touch()
    with pytest.raises(IsADirectoryError, match="other things in it"):
        check_output(tmp_path / "a.zarr", overwrite=True)
    (tmp_path / "a.zarr/zarr.json").touch()
    check_output(tmp_path / "a.zarr", overwrite=True)
    with pytest.raises(FileExistsError, match="allow overwriting"):
        check_output(tmp_path / "a.zarr", overwrite=False)
    (tmp_path / "b.zarr").touch()
    with pytest.raises(NotADirectoryError, match="it is a file, and OME-Zarr is a folder"):
        check_output(tmp_path / "b.zarr", overwrite=True)
    (tmp_path / "a.png").mkdir()
    with pytest.raises(IsADirectoryError, match="name a file in it"):
        check_output(tmp_path / "a.png", overwrite=True)


def test_no_input_in_a_folder_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "a.zarr").mkdir()
    for name in ("zarr.json", "in.png"):
        (tmp_path / "a.zarr" / name).touch()
    os.symlink(tmp_path / "a.zarr/in.png", tmp_path / "link.png")
    for given in (tmp_path / "a.zarr/in.png", tmp_path / "link.png", tmp_path / "a.zarr"):
        with pytest.raises(ValueError, match="which this command reads"):
            check_apart(tmp_path / "a.zarr", [given])
