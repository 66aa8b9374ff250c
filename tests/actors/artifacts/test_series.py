"""Looking for a run only reads: whoever may read a store can ask how far its run is."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from actors.artifacts import series
from actors.artifacts.series import last_stage, open_begun, run_exists, stage_url
from storage.objects.root import ObjectRoot
from storage.run import RunStore
from tests.support.command_line import at_home, image, run

__all__ = ["at_home", "image", "run"]


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
    (tmp_path / "keep.toml").write_text("run.keep_steps = 1")
    assert run("upscale", "in.png", "out.png", "--recipe", "keep.toml").exit_code == 0
    before = {path for path in tmp_path.rglob("*")}
    read_only()
    url = f"file://{tmp_path}/out.png.run"
    assert "finished" in run("status", url).stdout
    assert run("decode", url, "--step", "2", "--model", "analytic", "--output", "look.png").exit_code == 0
    assert "have no prompts of their own" in run("prompts", url).stderr
    assert {path for path in tmp_path.rglob("*")} == before | {tmp_path / "look.png"}


@pytest.mark.parametrize("name", ["scene#1", "scene?x", "50%", "a b"])
def test_a_series_has_its_own_place_whatever_its_name(url: str, name: str) -> None:
    """``#`` and ``?`` used to cut the rest of the name, so that every stage was the run itself."""
    here, beside = (f"{url}/{name}", f"{url}/{name.split('#')[0].split('?')[0]}x")
    here, beside = ((one.replace("%", "%25") if one.startswith("file:") else one) for one in (here, beside))
    RunStore.open(here).write_plan(b"a run")
    assert run_exists(here)
    assert not run_exists(beside)
    assert last_stage(here) is None
    for index in (0, 1):
        RunStore.open(stage_url(here, index)).write_plan(b"stage %d" % index)
    assert last_stage(here) == stage_url(here, 1)


def test_a_store_that_has_every_key_is_refused(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    RunStore.open(url)
    monkeypatch.setattr(RunStore, "open", lambda *_, **__: RunStore(ObjectRoot.open(url)))
    monkeypatch.setattr(RunStore, "read_plan", lambda _store: b"yes")
    with pytest.raises(OSError, match="the store cannot hold a run"):
        last_stage(url)
    monkeypatch.setattr(series, "_MOST_STAGES", 10)
    counted = itertools.count()
    monkeypatch.setattr(RunStore, "read_plan", lambda _store: b"%d" % next(counted))
    with pytest.raises(OSError, match="more than 10 stages"):
        last_stage(url)


@pytest.mark.usefixtures("s3_url")
def test_an_absent_bucket_is_called_so(run: Callable[..., Result], image: Path) -> None:
    for words in (
        ("status", "s3://no-such-bucket/run"),
        ("upscale", "in.png", "o.png", "--run", "s3://no-such-bucket/r"),
    ):
        result = run(*words)
        assert result.exit_code == 1
        (line,) = result.stderr.strip().splitlines()
        assert "there is no bucket 'no-such-bucket': make the bucket first" in line
        assert "probe-" not in line


@pytest.mark.parametrize(
    "words",
    [
        ("upscale", "in.png", "o.png", "--run"),
        ("plan", "in.png", "o.png", "--run"),
        ("generate", "a", "o.png", "--run"),
        ("status",),
        ("prompts",),
        ("decode", "--step", "1"),
    ],
)
def test_an_address_with_a_password_is_one_line_without_it(run: Callable[..., Result], words: tuple[str, ...]) -> None:
    for url in ("s3://me:secretpw@bucket/run", "https://me:secretpw@host/run"):
        result = run(*words, url)
        assert result.exit_code == 1
        (line,) = result.stderr.strip().splitlines()
        assert line.startswith("gigatile: error: ")
        assert "secretpw" not in result.stdout + result.stderr


@pytest.mark.usefixtures("image")
def test_a_run_in_a_folder_with_a_hash_sign(run: Callable[..., Result], tmp_path: Path) -> None:
    url = f"file://{tmp_path}/runs/scene#1"
    assert run("upscale", "in.png", "out.png", "--run", url, "--steps", "1").exit_code == 0
    assert (tmp_path / "runs" / "scene#1" / "plan.json").is_file()
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["scene#1"]
    assert "finished" in run("status", url).stdout
