"""Runs of other seeds: found, told of, and removed with the run that they belong to."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from cluster.console.ending import StopSwitch
from cluster.runs import upscale as upscaling
from cluster.runs.cleaning import clean, removable_bytes
from cluster.runs.samples import begun_samples, look_at_samples
from cluster.runs.sitting import Sitting

Run = Callable[..., Result]

pytestmark = pytest.mark.usefixtures("image")
ASKED = ("upscale", "in.png", "out.png", "--uncertainty", "3", "--uncertainty-from", "0")


def stop_in(run: Run, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(StopSwitch, "__call__", lambda _self: Path("out.png.run", place).is_dir())
        assert run(*ASKED).exit_code == 130


def refused_to_clean(run: Run) -> None:
    before = {path for path in Path("out.png.run").rglob("*") if "lease" not in str(path)}
    done = run("clean", "out.png.run")
    assert done.exit_code == 1
    assert "has samples that are not compared yet" in " ".join(done.output.split())
    assert {path for path in Path("out.png.run").rglob("*") if "lease" not in str(path)} == before


def test_a_picture_is_there_and_its_samples_are_not(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    stop_in(run, monkeypatch, "sample-1/z")
    told = run("status", "out.png.run").stdout.splitlines()
    assert told[0].startswith("finished")
    assert told[1].startswith("sample 1: stopped")
    assert told[2] == "sample 2: not begun"
    stop_in(run, monkeypatch, "sample-2/z")
    assert [Path(one).name for one in begun_samples("out.png.run")] == ["sample-1", "sample-2"]
    assert [table["state"] for table in look_at_samples("out.png.run")["samples"]] == ["finished", "stopped"]
    told = run("status", "out.png.run").stdout.splitlines()
    assert told[1].startswith("sample 1: finished")
    assert told[2].startswith("sample 2: stopped")
    assert " ".join(told[3:]).startswith("uncertainty: not written, 1 of 2 samples finished")
    assert "needed no more" not in " ".join(told), "nothing is removed before they are compared"
    refused_to_clean(run)


def test_none_is_begun_beside_a_finished_picture(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """What samples are compared with is not cleaned away before they begin."""
    stop_in(run, monkeypatch, "sample-1")
    shutil.rmtree("out.png.run/sample-1")
    table = json.loads(run("status", "out.png.run", "--json").stdout)
    told = {key: table[key] for key in ("state", "samples", "compared", "removable_bytes")}
    left = [{"state": "not begun"}] * 2
    assert told == {"state": "finished", "samples": left, "compared": False, "removable_bytes": 0}
    refused_to_clean(run)


def test_one_more_sample_is_not_covered_by_the_raster_of_fewer(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its raster stays until the new one is there, and says nothing of what is being computed."""
    few = ("upscale", "in.png", "out.png", "--uncertainty", "2", "--uncertainty-from", "0")
    assert run(*few).exit_code == 0
    with monkeypatch.context() as patch:
        patch.setattr(StopSwitch, "__call__", lambda _self: Path("out.png.run/sample-2/z").is_dir())
        assert run(*ASKED, "--overwrite").exit_code == 130
    assert Path("out.png.uncertainty.tif").is_file()
    assert removable_bytes("out.png.run") == 0
    refused_to_clean(run)
    assert run(*ASKED, "--overwrite").exit_code == 0
    assert "uncertainty: written, all samples are compared" in run("status", "out.png.run").stdout
    # a run that is asked for less again is finished as that
    assert run(*few, "--overwrite").exit_code == 0
    assert clean("out.png.run").size > 0
    assert not [*Path("out.png.run").rglob("out/c")]


def test_samples_that_are_given_up_are_cleaned_away(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    stop_in(run, monkeypatch, "sample-2/z")
    refused_to_clean(run)
    given_up = run(*ASKED[:3])
    assert given_up.exit_code == 0, given_up.output
    assert "already finished" in given_up.stdout
    assert look_at_samples("out.png.run") == {}
    assert clean("out.png.run").size > 0
    assert not [*Path("out.png.run").rglob("z/0/*/c")]


def test_a_finished_comparison_is_not_given_up_by_asking_for_the_picture(run: Run) -> None:
    assert run(*ASKED).exit_code == 0
    assert run(*ASKED[:3]).exit_code == 0
    assert look_at_samples("out.png.run")["compared"]


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
    assert look_at_samples("out.png.run") == {}
    shutil.rmtree("out.png.run")
    assert begun_samples("out.png.run") == []


def test_an_engine_of_its_own_has_room_for_the_samples(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is started once, for the picture."""
    rooms, begin = [], upscaling.sit

    def look(sitting: Sitting, **parts: Any) -> Any:
        rooms.append(sitting.room)
        return begin(sitting, **parts)

    monkeypatch.setattr(upscaling, "sit", look)
    monkeypatch.setattr(upscaling, "object_bytes", lambda plan, _graph, _workers: 7 + plan.recipe.tiles.disagreement)
    assert run(*ASKED).exit_code == 0
    assert rooms == [8, 0, 0]
