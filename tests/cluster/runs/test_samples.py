"""Runs of other seeds: found, told of, and removed with the run that they belong to."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from cluster.console.ending import StopSwitch
from cluster.runs.cleaning import clean, removable_bytes
from cluster.runs.samples import begun_samples, look_at_samples

Run = Callable[..., Result]

pytestmark = pytest.mark.usefixtures("image")
ASKED = ("upscale", "in.png", "out.png", "--uncertainty", "3", "--uncertainty-from", "0")


def stop_in(run: Run, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(StopSwitch, "__call__", lambda _self: Path("out.png.run", place).is_dir())
        assert run(*ASKED).exit_code == 130


def test_a_picture_is_there_and_its_samples_are_not(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    stop_in(run, monkeypatch, "sample-2/z")
    assert [Path(one).name for one in begun_samples("out.png.run")] == ["sample-1", "sample-2"]
    assert [table["state"] for table in look_at_samples("out.png.run")] == ["finished", "stopped"]
    told = run("status", "out.png.run").stdout.splitlines()
    assert told[0].startswith("finished")
    assert told[1].startswith("sample 1: finished")
    assert told[2].startswith("sample 2: stopped")
    assert len(told) == 3, "nothing is removed before they are compared"
    done = run("clean", "out.png.run")
    assert done.exit_code != 0
    assert "has samples that are not compared yet" in " ".join(done.output.split())
    assert Path("out.png.run/sample-1/out").is_dir()


def test_samples_go_with_their_run(run: Run) -> None:
    assert run(*ASKED).exit_code == 0
    size = removable_bytes("out.png.run")
    alone = sum(path.stat().st_size for path in Path("out.png.run/sample-1/out").rglob("*") if path.is_file())
    assert size > alone > 0
    assert clean("out.png.run", keep_pixels=True).size > 0
    for name in ("", "sample-1", "sample-2"):
        assert Path("out.png.run", name, "out").is_dir()
        assert Path("out.png.run", name, "disagreement/out").is_dir() is bool(name)
        assert not Path("out.png.run", name, "pixels").exists()
    assert clean("out.png.run").size > 0
    assert not [*Path("out.png.run").rglob("out/c")]
    again = run(*ASKED)
    assert again.exit_code == 0, again.output
    assert "already finished" in again.stdout


def test_a_run_without_samples_has_none(run: Run) -> None:
    assert run(*ASKED[:3]).exit_code == 0
    assert begun_samples("out.png.run") == []
    assert look_at_samples("out.png.run") == []
    shutil.rmtree("out.png.run")
    assert begun_samples("out.png.run") == []
