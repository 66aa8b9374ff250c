"""Taggers, vocabularies and the table of prompts by the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import rasterio
from rasterio.transform import Affine
from rasterio.warp import transform
from typer.testing import Result

from cluster.runs import prompts as module
from pipeline.geometry.tiles import plan_tiles
from pipeline.prompts.text_limit import Cut
from pipeline.tasks.local_prompts import TilePrompt
from tests.support.runs import picture
from tests.support.tiny import write_stable_diffusion
from tests.support.tiny_taggers import write_tagger

Run = Callable[..., Result]

pytestmark = pytest.mark.usefixtures("image")

RECIPE = (
    "sampling.steps = 2\ntiles.window = 16\ntiles.overlap = 6\ntiles.region = 32\n"
    'guidance.weight = 2.0\nprompts.text = "{}"\nprompts.degradations = "negative"\n'
)
WORDS = ["--model", "sd", "--recipe", "mine.toml", "--tagger", "clip", "--vocabulary", "words.txt", "--workers", "0"]


@pytest.fixture
def set_up(tmp_path: Path) -> Path:
    write_stable_diffusion(tmp_path / "sd")
    write_tagger(tmp_path / "clip", "clip")
    (tmp_path / "words.txt").write_text("water\nroof\n[degradations]\nnoise\n")
    (tmp_path / "mine.toml").write_text(RECIPE.format("ab") + "prompts.tag_threshold = 0.0\nprompts.most_tags = 1\n")
    return tmp_path


def table(run: Run, *words: str) -> dict[str, Any]:
    result = run("prompts", "out.png.run", "--json", *words)
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def test_a_run_with_a_tagger(run: Run, set_up: Path) -> None:
    result = run("upscale", "in.png", "out.png", *WORDS, quick=False)
    assert result.exit_code == 0, result.output
    assert "warning" not in result.stderr
    plan = json.loads((set_up / "out.png.run" / "plan.json").read_text())
    assert (plan["tagger"]["kind"], plan["tagger"]["phrases"]) == ("clip", ["water", "roof"])
    tiles = len(plan["tiles"]["tops"]) * len(plan["tiles"]["lefts"])
    found = table(run)
    assert (found["tiles"], found["cut"], len(found["prompts"])) == (tiles, 0, tiles)
    assert {one["prompt"] for one in found["prompts"]} <= {"ab, water", "ab, roof"}
    assert {one["negative"] for one in found["prompts"]} == {"noise"}
    assert found["distinct"] == len({one["prompt"] for one in found["prompts"]}) + 1
    for words in ([], ["--tiles"]):
        shown = run("prompts", "out.png.run", *words).stdout
        assert f"{tiles} of {tiles} tiles have a prompt" in shown
        assert "ab, " in shown
        assert "noise" in shown
    again = run("upscale", "in.png", "out.png", *WORDS, quick=False)
    assert "already finished" in again.stdout
    (set_up / "words.txt").write_text("water\nroof\nsea\n[degradations]\nnoise\n")
    other = run("upscale", "in.png", "out.png", *WORDS, quick=False)
    assert "tagger.phrases: this command says ('water', 'roof', 'sea')" in other.stderr


def test_what_falls_off_is_said_before_and_after(run: Run, set_up: Path) -> None:
    """Letters are tokens here: 16 of them with the start and the end."""
    (set_up / "mine.toml").write_text(RECIPE.format("abcdefgh, ijklmnop, qrs") + "prompts.tag_threshold = 0.0\n")
    before = run("plan", "in.png", "out.png", *WORDS, quick=False)
    line = "gigatile: warning: prompts.text is longer than the model reads; these fall off: ijklmnop, qrs"
    assert line in before.stderr
    as_json = run("plan", "in.png", "out.png", "--json", *WORDS, quick=False)
    assert line.endswith(json.loads(as_json.stdout)["warnings"][0])
    after = run("upscale", "in.png", "out.png", *WORDS, quick=False)
    assert after.exit_code == 0, after.output
    assert line in after.stderr
    found = table(run)
    assert f"prompts of {found['tiles']} of {found['tiles']} tiles were longer than the model reads" in after.stderr
    assert found["prompts"][0]["dropped"][:2] == ["ijklmnop", "qrs"]
    status = json.loads((set_up / "out.png.run" / "status.json").read_text())
    assert status["prompts"] == {name: found[name] for name in ("tiles", "distinct", "cut")}


def test_a_tag_files_words_that_fall_off(run: Run, set_up: Path) -> None:
    (set_up / "mine.toml").write_text(
        'sampling.steps = 2\ntiles.window = 16\ntiles.overlap = 6\ntiles.region = 32\nprompts.text = "abcdefgh"\n'
    )
    boxes = [{"box": [0, 0, 30, 25], "tags": ["water", "sea"]}, {"box": [0, 25, 30, 25], "tags": ["ice"]}]
    (set_up / "tags.json").write_text(json.dumps({"height": 30, "width": 50, "tags": boxes}))
    words = ["--model", "sd", "--recipe", "mine.toml", "--tags", "tags.json", "--workers", "0"]
    result = run("plan", "in.png", "out.png", *words, quick=False)
    assert result.exit_code == 0, result.output
    assert "tiles are longer than the model reads; these fall off: " in result.stderr
    assert "water" in result.stderr


def test_a_run_of_one_prompt_has_no_table(run: Run, tmp_path: Path) -> None:
    assert run("upscale", "in.png", "out.png").exit_code == 0
    result = run("prompts", "out.png.run")
    assert result.exit_code == 1
    assert "have no prompts of their own" in result.stderr
    assert "no run" in run("prompts", str(tmp_path)).stderr


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (["--tagger", "./nowhere"], ["tagger ./nowhere", "no such folder"]),
        (["--tagger", "sd"], ["tagger sd", "lacks sd/config.json", "transformers"]),
        (["--vocabulary", "words.txt"], ["--vocabulary", "add --tagger"]),
        (["--tagger", "clip", "--vocabulary", "gone.txt"], ["--vocabulary gone.txt", "no such file"]),
        (["--tagger", "clip", "--vocabulary", "empty.txt"], ["empty.txt", "no phrase of content"]),
        (["--tagger", "clip", "--vocabulary", "twice.txt"], ["twice.txt", "line 2", "'Water' is on line 1"]),
        (["--tagger", "clip", "--tags", "tags.json"], ["--tagger", "'file'"]),
        (["--tagger", "clip", "--tagger-gpu", "1.5"], ["--tagger-gpu", "1.5"]),
        (["--recipe", "local.toml"], ["prompts.source = 'local'", "needs a tagger", "--tagger"]),
    ],
)
def test_bad_input(run: Run, set_up: Path, words: list[str], parts: list[str]) -> None:
    """One line, and no run begun."""
    (set_up / "empty.txt").write_text("# nothing\n")
    (set_up / "twice.txt").write_text("water\nWater\n")
    (set_up / "local.toml").write_text('prompts.source = "local"\n')
    (set_up / "tags.json").write_text(json.dumps({"height": 30, "width": 50, "tags": []}))
    result = run("upscale", "in.png", "out.png", "--model", "sd", "--workers", "0", *words, quick=False)
    assert result.exit_code == 1, result.output
    lines = [line for line in result.stderr.splitlines() if line.startswith("gigatile: error: ")]
    assert len(lines) == 1
    assert all(part in lines[0] for part in parts), lines[0]
    assert not (set_up / "out.png.run").exists()


def test_geojson(run: Run, set_up: Path) -> None:
    """The left half of a scene, in degrees: a quarter of the crops of three columns and more. Not for one elsewhere."""
    affine = Affine(10, 0, 5e5, 0, -10, 4e6)
    profile = {"driver": "GTiff", "width": 50, "height": 30, "count": 3, "dtype": "uint8", "crs": "EPSG:32614"}
    for name, shift in (("scene.tif", 0), ("elsewhere.tif", 1000)):
        with rasterio.open(set_up / name, "w", transform=Affine.translation(shift, 0) @ affine, **profile) as raster:
            raster.write(picture(30, 50))
    corners = [affine @ corner for corner in ((0, 0), (25, 0), (25, 30), (0, 30), (0, 0))]
    ring = [
        list(place) for place in zip(*transform("EPSG:32614", "EPSG:4326", *zip(*corners, strict=True)), strict=True)
    ]
    feature = {
        "type": "Feature",
        "properties": {"tags": ["sea"]},
        "geometry": {"type": "Polygon", "coordinates": [ring]},
    }
    (set_up / "tags.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
    (set_up / "mine.toml").write_text("sampling.steps = 1\ntiles.window = 8\ntiles.overlap = 2\ntiles.region = 32\n")
    words = ["--model", "sd", "--recipe", "mine.toml", "--tags", "tags.geojson", "--workers", "0"]
    result = run("upscale", "scene.tif", "out.png", *words, quick=False)
    assert result.exit_code == 0, result.output
    prompts = {(one["row"], one["col"]): one["prompt"] for one in table(run)["prompts"]}
    assert set(prompts.values()) == {"sea", ""}
    assert all((prompt == "sea") == (col < 3) for (_, col), prompt in prompts.items()), prompts
    for name, message in (("elsewhere.tif", "lie beside the image"), ("in.png", "no transform from pixels")):
        refused = run("plan", name, "other.png", *words, quick=False)
        assert refused.exit_code == 1
        assert message in refused.stderr


def test_tiles_with_prompts_that_are_cut_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tiles, not prompts; of both prompts; and what falls off is said once, in its order."""
    grid = plan_tiles(48, 80, window=16, stride=16)
    plan: Any = SimpleNamespace(prompt_tiles=grid)
    limit: Any = SimpleNamespace(cut=lambda text: Cut(text[:3], tuple(text[3:].split())))
    said = {0: TilePrompt("sea"), 1: TilePrompt("ice roof"), 2: TilePrompt("sea", "dim noise roof")}

    class Prompting:
        def __init__(self, *_: Any) -> None:
            pass

        def prompt(self, tile: Any) -> TilePrompt:
            return said.get(tile.row, TilePrompt("ash"))

    monkeypatch.setattr(module, "Prompter", Prompting)
    assert (len(grid.tops), len(grid.lefts)) == (3, 5)
    (line,) = module._cut_tags(plan, limit)
    assert line == "prompts of 10 tiles are longer than the model reads; these fall off: roof, noise"
    said[2] = TilePrompt("sea", "dim")
    assert module._cut_tags(plan, limit)[0].startswith("prompts of 5 tiles")
    said[1] = TilePrompt("ice")
    assert module._cut_tags(plan, limit) == []
    said[0] = TilePrompt("sea mew")
    monkeypatch.setattr(module, "MOST_LOOKED_AT", 4)
    assert module._cut_tags(plan, limit)[0].startswith("prompts of 4 tiles")
