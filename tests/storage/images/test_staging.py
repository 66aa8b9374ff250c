from __future__ import annotations

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
    assert len(names(tmp_path)) == 2
    with staged(target) as staging:
        staging.write_text("whole")
    assert names(tmp_path) == {"out.png"}


def test_a_living_process_keeps_its_files(tmp_path: Path) -> None:
    target = tmp_path / "out.png"
    with staged(target) as staging:
        staging.write_text("mine")
        other = staging.with_name(staging.name.replace(str(os.getpid()), str(os.getppid())))
        other.write_text("a living one's")
        with staged(tmp_path / "other.png") as second:
            second.write_text("other")
    assert other.exists()


def test_there_is_room_here(tmp_path: Path) -> None:
    assert no_room(tmp_path / "staging") is None
