"""Looking for a run only reads: whoever may read a store can ask how far its run is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from cluster.begun import last_stage, open_begun, run_exists, stage_url
from storage.objects import ObjectRoot
from storage.run import RunStore
from tests.s3 import s3_server, s3_url

__all__ = ["s3_server", "s3_url"]


@pytest.fixture(params=["path", "file", "s3"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A place where nothing is yet."""
    if request.param == "s3":
        return str(request.getfixturevalue("s3_url"))
    return str(tmp_path / "run") if request.param == "path" else f"file://{tmp_path}/run"


@pytest.fixture
def read_only(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Make every store refuse to be written to, as with credentials that only read."""

    def refuse(*_words: Any, **_options: Any) -> Any:
        raise PermissionError("not allowed to write")

    def forbid() -> None:
        for name in ("put", "put_new", "delete"):
            monkeypatch.setattr(ObjectRoot, name, refuse)

    return forbid


def test_nothing_is_written(url: str, tmp_path: Path, read_only: Callable[[], None]) -> None:
    read_only()
    assert not run_exists(url)
    assert last_stage(url) is None
    with pytest.raises(FileNotFoundError):
        open_begun(url)
    assert list(tmp_path.iterdir()) == []


def test_a_run_and_a_series_are_found(url: str, read_only: Callable[[], None]) -> None:
    RunStore.open(url).write_plan(b"a run")
    for index in (0, 1):
        RunStore.open(stage_url(f"{url}-series", index)).write_plan(b"stage %d" % index)
    read_only()
    assert run_exists(url)
    assert last_stage(url) is None
    assert open_begun(url)[1] == b"a run"
    assert not run_exists(f"{url}-series")
    assert last_stage(f"{url}-series") == stage_url(f"{url}-series", 1)
    assert open_begun(f"{url}-series")[1] == b"stage 1"


@pytest.mark.usefixtures("image")
def test_commands_that_look_work_on_a_store_that_cannot_be_written(
    run: Callable[..., Result], tmp_path: Path, read_only: Callable[[], None]
) -> None:
    (tmp_path / "keep.toml").write_text("keep_steps = 1")
    assert run("upscale", "in.png", "out.png", "--recipe", "keep.toml").exit_code == 0
    before = {path for path in tmp_path.rglob("*")}
    read_only()
    url = f"file://{tmp_path}/out.png.run"
    assert "finished" in run("status", url).stdout
    assert run("decode", url, "--step", "2", "--model", "analytic", "--output", "look.png").exit_code == 0
    assert "have no prompts of their own" in run("prompts", url).stderr
    assert {path for path in tmp_path.rglob("*")} == before | {tmp_path / "look.png"}
