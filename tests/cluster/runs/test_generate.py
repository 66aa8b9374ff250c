"""Pictures from words by the command line: plans, stages, presets, and going on after a stop."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import Result

from cluster.console.ending import StopSwitch
from cluster.job import TextJob
from cluster.runs import generate as module
from storage.run import RunStore
from tests.support.series import tiny_model
from tests.support.tiny_transformers import write_flux, write_stable_diffusion_3

Run = Callable[..., Result]
SMALL = "tiles.region = 16\nmodel.batch = 2\n"
UNET = f'{SMALL}solver = "euler"\nsampling.spacing = "leading"\n'
RECIPES = {
    ("demofusion", "xl"): f"{UNET}steps = 2\n",
    ("accdiffusion-v2", "xl"): f"{UNET}steps = 2\nprompts.word_share = 0.0\n",
    ("scalediff", "xl"): f"{UNET}steps = 3\n",
    ("gigatile", "xl"): "tiles.region = 32\nmodel.batch = 2\nsampling.steps = 4\n",
    ("scalediff", "flux"): f"{SMALL}steps = 3\n",
    ("scalediff", "sd3"): f"{SMALL}steps = 3\n",
}
"""tiny windows are 16 latent pixels, 128 pixels"""
OFFICIAL = ["--compat", "official"]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("models")
    flux, sd3 = write_flux(folder / "flux"), write_stable_diffusion_3(folder / "sd3")
    return {"xl": tiny_model(folder), "flux": str(flux), "sd3": str(sd3)}


def generate(run: Run, model: str, recipe: str, *words: str, prompt: str = "a, b", output: str = "out.png") -> Result:
    Path("mine.toml").write_text(recipe)
    options = ["--size", "200x136", "--model", model, "--recipe", "mine.toml", "--workers", "0", *words]
    return run("generate", prompt, output, *options, quick=False)


def sha_of(result: Result) -> str:
    assert result.exit_code == 0, result.output
    return result.stdout.split("sha256")[1].split()[0].rstrip(")")


def demofusion(extra: str = "") -> str:
    return f'preset = "demofusion"\n{UNET}steps = 2\n{extra}'


@pytest.mark.parametrize(("preset", "kind"), RECIPES)
def test_presets(run: Run, tmp_path: Path, models: dict[str, str], preset: str, kind: str) -> None:
    """Two stages; the second side is no multiple of a latent pixel's, so it is rounded up, computed and cut."""
    recipe = f'preset = "{preset}"\n{RECIPES[preset, kind]}'
    words = ["--tagger", "embedded"] if preset == "gigatile" else []
    result = generate(run, models[kind], recipe, *words)
    first = sha_of(result)
    for line in ("output    136 x 200 pixels", "stage 1   ", "stage 2   136 x 200 pixels", "MB a worker"):
        assert line in result.stdout
    assert "stage 2 of 2: 136 x 200 pixels" in result.stderr
    with Image.open(tmp_path / "out.png") as made:
        assert made.size == (200, 136)
        assert np.asarray(made).std() > 0
    plans = [json.loads((tmp_path / f"out.png.run/stage-{index}/plan.json").read_text()) for index in (0, 1)]
    assert [plan["recipe"]["name"] for plan in plans] == [preset, preset]
    assert [plan["recipe"]["sampling"]["start"] for plan in plans] == ["noise", "image"]
    if preset == "accdiffusion-v2":
        _check_prompts(run)
        again = generate(run, models[kind], recipe, *words)
        assert "already finished" in again.stdout
        assert sha_of(again) == first


def _check_prompts(run: Run) -> None:
    """Of the series, which are its furthest stage's, and of one stage."""
    whole, last = (json.loads(run("prompts", url, "--json").stdout) for url in ("out.png.run", "out.png.run/stage-1"))
    assert whole == last
    assert whole["tiles"] == len(whole["prompts"]) > 1
    assert "stage-0 have no prompts of their own" in run("prompts", "out.png.run/stage-0").stderr


def test_plan_computes_nothing(run: Run, tmp_path: Path, models: dict[str, str]) -> None:
    result = generate(run, models["xl"], demofusion(), "--plan")
    assert result.exit_code == 0, result.output
    for words in ("demofusion, euler", "computed as 144 x 208 and cut", "dilated samples a step", "of disk"):
        assert words in result.stdout
    (line,) = [line for line in result.stdout.splitlines() if line.startswith("time ")]
    assert re.fullmatch(
        r"time      about \d+ s on 1 worker \(FLOPs .*; this device .* a second\); by stages .* s, .* s", line
    )
    assert {path.name for path in tmp_path.iterdir()} == {"mine.toml"}


def test_a_size_that_the_factor_does_not_divide(run: Run, tmp_path: Path, models: dict[str, str]) -> None:
    result = generate(run, models["xl"], UNET, "--size", "131x129", "--plan")
    assert "129 x 131 pixels (height x width), computed as 144 x 144 and cut" in result.stdout


def test_one_stage_with_neighbourhood_attention(run: Run, tmp_path: Path, models: dict[str, str]) -> None:
    """All of the canvas at once: the window is the region's, not one of the native size."""
    recipe = f'{UNET}attend = "neighbourhood"\nsampling.steps = 1\n'.replace("tiles.region = 16", "tiles.region = 32")
    result = generate(run, models["xl"], recipe)
    assert result.exit_code == 0, result.output
    plan = json.loads((tmp_path / "out.png.run/stage-0/plan.json").read_text())
    assert (plan["recipe"]["tiles"]["attend"], plan["recipe"]["tiles"]["attention_window"]) == ("neighbourhood", 16)
    assert "1 tiles of 18 x 26 a step" in result.stdout


def test_stopped_in_the_second_stage(
    run: Run, tmp_path: Path, models: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Status names the stage; the same command goes on from there, to the same bytes."""
    recipe = demofusion("run.keep_steps = 1\n")
    expected = sha_of(generate(run, models["xl"], recipe))
    begun = tmp_path / "parts.png.run" / "stage-1" / "z" / "0" / "s0001"
    with monkeypatch.context() as patch:
        patch.setattr(StopSwitch, "__call__", lambda self: begun.is_dir() and any(begun.glob("c/*/*/*")))
        stopped = generate(run, models["xl"], recipe, output="parts.png")
    assert stopped.exit_code == 130
    assert "Resume with: gigatile" in stopped.stderr
    shown = run("status", "parts.png.run")
    assert shown.stdout.startswith("stage 2 of 2: stopped")
    table = json.loads(run("status", "parts.png.run", "--json").stdout)
    assert (table["state"], table["stages"]) == ("stopped", [2, 2])
    assert json.loads(run("status", "parts.png.run/stage-0", "--json").stdout)["stages"] == [1, 2]
    journal = RunStore.open("parts.png.run/stage-0").journal.replay()
    assert sha_of(generate(run, models["xl"], recipe, output="parts.png")) == expected
    after = RunStore.open("parts.png.run/stage-0").journal.replay()
    assert after == journal, "the first stage was finished"
    _check_looking(run, tmp_path, models["xl"])


def _check_looking(run: Run, tmp_path: Path, model: str) -> None:
    """``decode`` and ``prompts`` take the series, which is its furthest stage, or one stage of it."""
    for url, name in (("out.png.run", "last.png"), ("out.png.run/stage-1", "same.png")):
        shown = run("decode", url, "--step", "2", "--model", model, "--output", name, quick=False)
        assert shown.exit_code == 0, shown.output
    sizes = {}
    run("decode", "out.png.run/stage-0", "--step", "2", "--model", model, "--output", "first.png", quick=False)
    for name in ("last", "same", "first"):
        with Image.open(tmp_path / f"{name}.png") as picture:
            sizes[name] = picture.size
    assert sizes == {"last": (200, 136), "same": (200, 136), "first": (112, 80)}
    assert (tmp_path / "last.png").read_bytes() == (tmp_path / "same.png").read_bytes()
    refused = run("prompts", "out.png.run")
    assert "the tiles of" in refused.stderr
    assert "have no prompts of their own" in refused.stderr


def test_another_plan_for_the_same_run(run: Run, tmp_path: Path, models: dict[str, str]) -> None:
    recipe = f"{UNET}steps = 1\n"
    one = ["--size", "128x128"]
    assert generate(run, models["xl"], recipe, *one).exit_code == 0
    for words, field in ((["--seed", "5"], "recipe.run.seed"), (["--negative", "c"], "recipe.prompts.negative")):
        result = generate(run, models["xl"], recipe, *one, *words)
        assert result.exit_code == 1
        (line,) = result.stderr.strip().splitlines()
        assert f"was begun by another plan: {field}: this command says" in line
        assert "Give another --run, or delete the whole of it: " in line
    other = generate(run, models["xl"], recipe, *one, prompt="c")
    assert "recipe.prompts.text: this command says 'c', the run says 'a, b'" in other.stderr
    (tmp_path / "in.png").write_bytes((tmp_path / "out.png").read_bytes())
    mixed = run("upscale", "in.png", "big.png", "--run", "out.png.run")
    assert "--run out.png.run: holds a series of `gigatile generate`: give another" in mixed.stderr


def test_as_the_published_code(run: Run, models: dict[str, str]) -> None:
    """What it computes is compared in tests/parity/test_demofusion.py."""
    plain, official = (generate(run, models["xl"], demofusion(), "--plan", *words) for words in ([], OFFICIAL))
    assert "as the published code has it" in official.stdout
    assert "as the published code has it" not in plain.stdout
    for words, said in (
        (["--compat", "always"], "compat must be one of none, official, got 'always'"),
        ([*OFFICIAL, "--recipe", "scalediff"], "run.compat = 'official' is read with sampling.solver = 'euler' only"),
    ):
        wrong = generate(run, models["xl"], demofusion(), *words)
        assert wrong.exit_code == 1
        assert said in wrong.stderr


def test_warnings_are_said_once_for_a_series(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the plan of the first stage: later ones would repeat them."""
    plans = [SimpleNamespace(stage=SimpleNamespace(index=index)) for index in range(3)]
    there = SimpleNamespace(device="cpu", workers=2, workers_at_once=2, memory=5, where="here")
    monkeypatch.setattr(module, "place", lambda _job, _waiting: there)
    monkeypatch.setattr(module, "make_plans", lambda _job, _device: plans)
    monkeypatch.setattr(module, "check_memory", lambda plan, *room: (plan.stage.index, *room))
    monkeypatch.setattr(module, "model_notes", lambda plan: (f"note {plan.stage.index}",))
    monkeypatch.setattr(module, "find_cuts", lambda plan, *_, **__: (f"cut {plan.stage.index}",))
    monkeypatch.setattr(module, "foresee", lambda plan, *_, **__: (f"foreseen {plan.stage.index}",))
    monkeypatch.setattr(module, "find_vain", lambda _job, _asked, found: (f"vain of {len(found)}",))
    found = module.prepare(TextJob(prompt="sea", output="a.png"))
    assert [one.warnings for one in found] == [("note 0", "cut 0", "vain of 3", "foreseen 0"), (), ()]
    assert [(one.plan, one.cost, one.workers) for one in found] == [
        (plan, (index, 2, 5, "here"), 2) for index, plan in enumerate(plans)
    ]


def test_edges_are_brought_where_they_are_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the stage before, which the first has none of; and it is said."""
    said: list[tuple[str, ...]] = []
    brought: list[Any] = []
    monkeypatch.setattr(module, "bring_edges", lambda *given, **options: brought.append((given, options)))
    reporter: Any = SimpleNamespace(announce=lambda *words: said.append(words))

    def bring(before: Any, *structures: str) -> Any:
        plan = SimpleNamespace(recipe=SimpleNamespace(structure=SimpleNamespace(shown=structures)))
        sitting: Any = SimpleNamespace(
            prepared=SimpleNamespace(plan=plan), before=before, store="store", lease="lease", stop_if_asked="stop"
        )
        module._bring_in(sitting, reporter, [])
        return plan

    bring(None, "edges")
    bring("before", "image")
    assert (said, brought) == ([], [])
    plan = bring("before", "image", "edges")
    assert said == [("edges", "of the stage before")]
    assert brought == [(("store", plan, "before", "lease", []), {"on_rows": "stop"})]
