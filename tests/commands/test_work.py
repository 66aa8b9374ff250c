"""What a command's arguments become before anything looks at them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from actors.artifacts.series import run_exists
from cluster.job import Job, TextJob

Run = Callable[..., Result]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.setenv("HOME", str(folder))
    return folder


def test_home_is_found_in_paths_alone(home: Path) -> None:
    job = Job(input="~/in.tif", output="~/out.tif", tags="~/tags.json", run="s3://bucket/~/run", recipe="yoda")
    assert (job.input, job.output, job.tags) == (f"{home}/in.tif", f"{home}/out.tif", f"{home}/tags.json")
    assert (job.run, job.run_url, job.recipe) == ("s3://bucket/~/run", "s3://bucket/~/run", "yoda")
    text = TextJob(prompt="~/a tilde", output="~/out.png", model="~/sdxl")
    assert (text.prompt, text.model, text.run_url) == ("~/a tilde", f"{home}/sdxl", f"{home}/out.png.run")


@pytest.mark.usefixtures("image")
def test_a_run_at_home(run: Run, home: Path, tmp_path: Path) -> None:
    """Its picture is written and recorded there, and the same command finds it."""
    for place in ([], ["--run", "~/elsewhere"]):
        words = ["upscale", "in.png", "~/out.png", *place, "--overwrite"]
        result = run(*words)
        assert result.exit_code == 0, result.output
        assert "already finished" in run(*words).stdout
    assert {path.name for path in home.iterdir()} == {"out.png", "out.png.run", "elsewhere"}
    assert run_exists("~/elsewhere")
    assert not (tmp_path / "~").exists()
