"""`gigatile clean`: of a finished run goes what nobody needs, and nothing that is all there is of its picture."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from typer.testing import Result

from cluster.runs import cleaning
from cluster.runs.cleaning import clean, removable_bytes
from gigatile.run import Run as Begun
from storage.errors import FencedError, RunBusyError
from storage.objects.root import ObjectRoot
from storage.run import RunStore
from tests.support.series import tiny_model

Run = Callable[..., Result]

RECIPE = """
preset = "demofusion"
tiles.region = 16
model.batch = 2
guidance.weight = 2.0
sampling.solver = "euler"
sampling.spacing = "leading"
sampling.steps = 2
"""

pytestmark = pytest.mark.usefixtures("image")


def error(result: Result) -> str:
    assert result.exit_code == 1, result.output
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("gigatile: error: ")]
    return line


def sizes(folder: str) -> dict[str, int]:
    return {str(path.relative_to(folder)): path.stat().st_size for path in Path(folder).rglob("*") if path.is_file()}


def finish(run: Run, output: str = "out.png", *words: str) -> Result:
    result = run("upscale", "in.png", output, *words)
    assert result.exit_code == 0, result.output
    return result


def test_a_finished_run_stays_finished(run: Run) -> None:
    finish(run)
    Path("out.png.run/notes.txt").write_text("mine")
    before, size = sizes("out.png.run"), removable_bytes("out.png.run")
    status = json.loads(run("status", "out.png.run", "--json").stdout)
    assert status["removable_bytes"] == size
    assert "needed no more: see `gigatile clean`" in run("status", "out.png.run").stdout
    assert run("clean", "out.png.run").exit_code == 0
    after = sizes("out.png.run")
    gone = before.keys() - after.keys()
    assert sum(before[name] for name in gone) == size
    assert {name.split("/")[0] for name in gone} >= {"pixels", "out"}
    assert {"plan.json", "status.json", "notes.txt"} <= after.keys()
    assert "already finished" in finish(run).output
    assert "needed no more" not in run("status", "out.png.run").stdout
    assert clean("out.png.run").num_keys == 0


def test_pixels_may_stay(run: Run) -> None:
    """Then the picture is written again without anything to compute, by either command."""
    finish(run)
    expected = Path("out.png").read_bytes()
    Path("out.png").unlink()
    assert "give --keep-pixels" in error(run("clean", "out.png.run"))
    assert Begun("out.png.run").clean(keep_pixels=True) > 0
    assert run("export", "out.png.run", "again.png").exit_code == 0
    assert "decoded 1/1" not in finish(run).output.replace("decoded 0/1", "")  # nothing is decoded again
    assert Path("out.png").read_bytes() == expected


def test_a_picture_that_was_changed_is_none(run: Run) -> None:
    finish(run)
    Path("out.png").write_bytes(b"another")
    assert "is not here as the run wrote it" in error(run("clean", "out.png.run"))
    Path("out.png.run/out/c/0/0/0").unlink()
    assert "1 regions of" in error(run("clean", "out.png.run", "--keep-pixels"))


def test_all_is_computed_again_where_all_is_gone(run: Run) -> None:
    finish(run)
    expected = Path("out.png").read_bytes()
    assert run("clean", "out.png.run").exit_code == 0
    Path("out.png").unlink()
    assert "or were cleaned away" in error(run("export", "out.png.run", "again.png"))
    finish(run)
    assert Path("out.png").read_bytes() == expected


def test_only_what_is_finished_and_nobody_is_at_work_on(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    finish(run)
    with monkeypatch.context() as patch:
        patch.setattr(cleaning, "EXPORT", "another kind")
        assert "is not finished: finish it with the command" in error(run("clean", "out.png.run"))
    before = sizes("out.png.run")

    def refuse(*_: object, **__: object) -> None:
        raise RunBusyError("somebody is at work")

    with monkeypatch.context() as patch:
        patch.setattr(RunStore, "acquire_lease", refuse)
        assert "somebody is at work" in error(run("clean", "out.png.run"))
    assert sizes("out.png.run") == before
    assert "no folder" in error(run("clean", "nothing.run"))


def test_whoever_is_fenced_removes_nothing_more(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    finish(run)
    monkeypatch.setattr(cleaning, "_AT_ONCE", 1)
    delete_all, removed = ObjectRoot.delete_all, []

    def taken_over(root: ObjectRoot, keys: Iterable[str]) -> None:
        removed.extend(keys)
        delete_all(root, removed[-1:])
        root.put_new("lease/0003", root.get("lease/0002"))

    monkeypatch.setattr(ObjectRoot, "delete_all", taken_over)
    with pytest.raises(FencedError, match="took over"):
        clean("out.png.run")
    assert len(removed) == 1


def test_in_a_store(run: Run, s3_url: str) -> None:
    finish(run, f"{s3_url}/out.png")
    root = ObjectRoot.open(f"{s3_url}/out.png.run")
    before = root.sizes()
    assert "removed" in run("clean", f"{s3_url}/out.png.run").stdout
    assert before.keys() - root.sizes().keys() >= {"pixels", "out"}
    assert f"already finished: {s3_url}/out.png" in " ".join(finish(run, f"{s3_url}/out.png").output.split())


def test_all_stages_of_a_series(run: Run, tmp_path: Path) -> None:
    Path("mine.toml").write_text(RECIPE)
    words = ["--model", tiny_model(tmp_path), "--size", "200x136", "--recipe", "mine.toml", "--workers", "0"]
    made = run("generate", "a house", "made.png", *words)
    assert made.exit_code == 0, made.output
    first = error(run("clean", "made.png.run/stage-0"))
    assert "stage 1 of 2: finish it" in first
    assert run("clean", "made.png.run", "--keep-pixels").exit_code == 0
    assert [Path(f"made.png.run/stage-{index}/out").exists() for index in (0, 1)] == [False, True]
    assert "already finished" in run("generate", "a house", "made.png", *words).output
    assert run("clean", "made.png.run").exit_code == 0
    assert not any(Path(f"made.png.run/stage-{index}/out").exists() for index in (0, 1))
    assert not any(Path(f"made.png.run/stage-{index}/z").exists() for index in (0, 1))
