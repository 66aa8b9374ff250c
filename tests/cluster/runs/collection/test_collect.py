"""Many pictures in one command, in this process: each as it is alone, whatever becomes of the others."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import rasterio
from PIL import Image
from rasterio.transform import Affine
from typer.testing import Result

from actors.work import building
from cluster.cli import StopSwitch
from cluster.machines.backend import Placement
from cluster.machines.waiting import Waiting
from cluster.runs.collection import collect as module
from cluster.runs.collection.ledger import fates_of, names_in
from storage.run import RunStore
from tests.storage.images.files import write_raster
from tests.support.command_line import at_home, run
from tests.support.runs import picture

Run = Callable[..., Result]

__all__ = ["at_home", "run"]


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    """Three pictures of several sizes, and one that is broken."""
    folder = tmp_path / "scans"
    folder.mkdir()
    for number, name in enumerate(("a.png", "c.png", "d.png")):
        Image.fromarray(picture(20 + number, 30, seed=number).transpose(1, 2, 0)).save(folder / name)
    (folder / "b.png").write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    return folder


def files_in(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def pixels_of(name: str) -> bytes:
    with Image.open(f"out/{name}.tif") as image:
        return image.tobytes()


def test_the_bytes_of_each_alone_and_a_broken_one_beside_them(
    run: Run, scans: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One model for all; the reason is listed, and said by the exit code."""
    for name in ("a", "c", "d"):
        assert run("upscale", f"scans/{name}.png", f"alone-{name}.tif").exit_code == 0
    loads: list[str] = []
    load = building.load_backbone
    monkeypatch.setattr(building, "load_backbone", lambda card, **given: loads.append(card.name) or load(card, **given))
    result = run("upscale", "scans", "out")
    assert result.exit_code == 1
    assert loads == ["analytic"]
    assert files_in(tmp_path / "out") == {
        f"{name}.tif": (tmp_path / f"alone-{name}.tif").read_bytes() for name in ("a", "c", "d")
    }
    assert "finished 3 of 4 pictures" in result.stdout
    assert "failed: scans/b.png: " in result.stderr
    assert "is no image that can be read" in result.stderr
    assert "1 of 4 pictures failed; to try them again, add --retry-failed" in result.stderr
    status = json.loads((tmp_path / "out.run/status.json").read_text())
    assert (status["state"], status["pictures"]) == ("finished", {"total": 4, "done": 3, "failed": 1})
    assert names_in(tmp_path / "out.run") == ["a.tif", "b.tif", "c.tif", "d.tif"]


def test_the_same_command_does_what_is_left(
    run: Run, scans: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing of what is there as it was; a result that is gone, an input that changed, and what is new."""
    assert run("upscale", "scans", "out").exit_code == 1
    first = files_in(tmp_path / "out")
    again = run("upscale", "scans", "out")
    assert again.exit_code == 1
    assert "4, 0 of them left" in again.stdout
    assert "finished 3 of 4 pictures in 0 s, 4 of them before" in again.stdout
    (tmp_path / "out/a.tif").unlink()
    shutil.copy(scans / "d.png", scans / "e.png")
    retried = run("upscale", "scans", "out", "--retry-failed")
    assert "5, 3 of them left" in retried.stdout
    second = files_in(tmp_path / "out")
    assert {**second, **first} == second
    assert pixels_of("e") == pixels_of("d")
    shutil.copy(scans / "a.png", scans / "b.png")
    mended = run("upscale", "scans", "out")
    assert mended.exit_code == 0, mended.output
    assert "5, 1 of them left" in mended.stdout
    assert pixels_of("b") == pixels_of("a")
    fates = fates_of(RunStore.open("out.run"))
    assert {fate.state for fate in fates.values()} == {"done"}


def test_stopped_and_resumed(run: Run, scans: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the midst of the second: the first is not done again, and the second goes on."""
    assert run("upscale", "scans", "whole").exit_code == 1
    monkeypatch.setattr(StopSwitch, "__call__", lambda self: Path("out.run/pictures/c.tif/z/0/s0001/c").is_dir())
    stopped = run("upscale", "scans", "out")
    assert stopped.exit_code == 130
    assert "Resume with: gigatile" in stopped.stderr
    assert json.loads(Path("out.run/status.json").read_text())["state"] == "stopped"
    assert list(files_in(tmp_path / "out")) == ["a.tif"]
    monkeypatch.setattr(StopSwitch, "__call__", lambda self: False)
    resumed = run("upscale", "scans", "out")
    assert "4, 2 of them left" in resumed.stdout
    assert files_in(tmp_path / "out") == files_in(tmp_path / "whole")
    kinds = [record.kind for record in RunStore.open("out.run/pictures/c.tif").journal.replay()]
    assert kinds.count("encode") == 1


def test_a_list_and_a_pattern_of_names(run: Run, scans: Path) -> None:
    """A row's own scale, output and seed; folders in OUTPUT are made."""
    (scans / "list.csv").write_text("input,output,scale,seed\na.png,deep/first.png,2,\nc.png,,,3\n")
    result = run("upscale", "--list", "scans/list.csv", "out", "--name", "{number:02}-{stem}.png", "--seed", "5")
    assert result.exit_code == 0, result.output
    with Image.open("out/deep/first.png") as image:
        assert image.size == (60, 40)
    assert run("upscale", "scans/c.png", "alone.png", "--seed", "3").exit_code == 0
    assert Path("out/02-c.png").read_bytes() == Path("alone.png").read_bytes()


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("scans", "out", "--recipe", "nonsense"), "nonsense"),
        (("scans", "out", "--model", "nonsense"), "nonsense"),
        (("scans", "out", "--name", "{stem}"), "--name {stem}"),
        (("scans", "out", "--workers", "-1"), "workers at least 0"),
        (("--list", "gone.csv", "out"), "gone.csv: no such file"),
        (("out.tif",), "expected INPUT, a picture, before OUTPUT"),
        (("scans/*.gif", "out"), "no file is called so"),
    ],
)
def test_what_is_wrong_with_all_is_said_before_anything_is_made(
    run: Run, scans: Path, words: tuple[str, ...], why: str
) -> None:
    result = run("upscale", *words, quick=False)
    assert result.exit_code == 1
    lines = result.stderr.splitlines()
    assert len(lines) == 1
    assert why in lines[0]
    assert not Path("out").exists()
    assert not Path("out.run").exists()


def test_a_mosaic_of_scenes(run: Run, tmp_path: Path) -> None:
    """Two halves of one scene, each enlarged, beside each other; the same command writes it again."""
    for number in range(2):
        place = {"crs": "EPSG:32631", "transform": Affine(10, 0, 5e5 + 300 * number, 0, -10, 5e6)}
        write_raster(tmp_path / f"{number}.tif", picture(20, 30, seed=number), **place)
    words = ("0.tif", "1.tif", "out", "--catalogue", "vrt")
    for _ in range(2):
        result = run("upscale", *words)
        assert result.exit_code == 0, result.output
        assert "catalogue: " in result.stdout
    with rasterio.open("out/mosaic.vrt") as raster, rasterio.open("out/1.tif") as part:
        assert raster.shape == (80, 240)
        np.testing.assert_array_equal(raster.read()[:, :, 120:], part.read())
    assert run("upscale", "0.tif", "1.tif", "out", "--catalogue", "stac").exit_code == 0
    links = json.loads(Path("out/catalog.json").read_text())["links"]
    assert [link["href"] for link in links if link["rel"] == "item"] == ["./0.tif.stac.json", "./1.tif.stac.json"]


@pytest.mark.usefixtures("scans")
def test_planned_looked_at_and_cleaned(run: Run) -> None:
    """What `upscale` would do, picture by picture, without a trace; then what became of it."""
    planned = run("plan", "scans", "out")
    assert planned.exit_code == 1
    assert planned.stdout.count("forwards ") == 3
    assert "failed: scans/b.png: " in planned.stderr
    assert not Path("out").exists()
    assert not Path("out.run").exists()
    assert run("upscale", "scans", "out").exit_code == 1
    said = run("status", "out.run").stdout.splitlines()
    assert said[0] == "finished: 100%, 4 of 4 pictures, 1 of them failed"
    assert said[1].startswith("failed: scans/b.png: ")
    assert json.loads(run("status", "out.run", "--json").stdout)["pictures"]["done"] == 3
    assert run("status", "out.run/pictures/a.tif").stdout.startswith("finished")
    assert "removed" in run("clean", "out.run").stdout
    assert not Path("out.run/pictures/a.tif/z").exists()
    assert "0 of them left" in run("upscale", "scans", "out").stdout


def test_a_busy_cluster_is_waited_for_as_long_as_nobody_stops_it(
    run: Run, scans: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The place of all pictures is asked for once, by what can be told and stopped."""

    def place(_job: object, waiting: Waiting) -> Placement:
        monkeypatch.setattr(StopSwitch, "__call__", lambda _self: True)
        waiting.until(lambda _seconds: False, lambda: "room")
        raise AssertionError("it was stopped")

    monkeypatch.setattr(module, "place", place)
    assert run("upscale", "scans", "out").exit_code == 130
