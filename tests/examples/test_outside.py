"""The package of examples/outside, installed and found: a family, a solver, a writer and a tagger, one file each."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional
from typer.testing import CliRunner, Result

from cluster.cli import app
from pipeline.models.registry import FAMILIES, describe_model
from pipeline.plan.record import plan_from_json
from pipeline.prompts.tagging import make_tagging
from pipeline.sampling.solvers import SOLVERS
from pipeline.taggers.loading import describe_tagger, load_tagger
from storage.images.formats import WRITERS
from tests.pipeline.sampling.test_solver import assert_same, config_for, ours, theirs
from tests.support.outside import install_project
from tests.support.runs import picture

PROJECT = Path(__file__).resolve().parents[2] / "examples" / "outside"
NAMES = {"BilinearPipeline": FAMILIES, "dpm++3m": SOLVERS, "npy": WRITERS}
Run = Callable[..., Result]


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)
    install_project(monkeypatch, PROJECT, tmp_path / "site")
    yield tmp_path / "site"
    for name in [name for name in sys.modules if name.startswith("gigatile_outside")]:
        del sys.modules[name]


@pytest.fixture
def model(tmp_path: Path) -> str:
    folder = tmp_path / "bilinear"
    (folder / "scheduler").mkdir(parents=True)
    own = {"factor": 4, "spread": 0.05}
    (folder / "model_index.json").write_text(json.dumps({"_class_name": "BilinearPipeline", "gigatile": own}))
    (folder / "scheduler" / "scheduler_config.json").write_text(json.dumps(config_for("ddim")))
    return str(folder)


def call(*words: Any) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def upscale(model: str, *more: str, out: str = "out.npy") -> Result:
    return call("upscale", "in.png", out, "--model", model, "--workers", 0, "--steps", 3, *more)


@pytest.mark.usefixtures("site")
def test_each_is_found_with_its_package() -> None:
    for name, registry in NAMES.items():
        assert registry.find(name) is not None
        assert registry.packages(name) == {"gigatile-outside": "1.0"}
        assert name in registry.names()


@pytest.mark.usefixtures("site")
@pytest.mark.parametrize("steps", [1, 2, 7])
def test_the_solver_is_the_stateful_scheduler(steps: int, monkeypatch: pytest.MonkeyPatch) -> None:
    noises = list(torch.randn(steps + 1, 4, 6, 5, generator=torch.Generator().manual_seed(2)))
    config = config_for("ddim")
    assert_same(ours("dpm++3m", config, steps, noises), theirs("dpm++3m", config, steps, noises, monkeypatch))


def test_a_run_with_its_family_solver_and_writer(site: Path, model: str, tmp_path: Path) -> None:
    pixels = picture(30, 40)
    Image.fromarray(pixels.transpose(1, 2, 0)).save("in.png")
    result = upscale(model, "--set", "sampling.solver=dpm++3m", "--set", "sampling.coarse=bicubic")
    assert result.exit_code == 0, result.output
    found = np.load("out.npy")
    assert (found.shape, found.dtype) == ((120, 160, 3), np.uint8)
    # what the data is about: the picture, enlarged; its means, enlarged again
    large = functional.interpolate(torch.from_numpy(pixels)[None].float(), scale_factor=4.0, mode="bilinear")[0]
    assert np.abs(found.transpose(2, 0, 1) - large.numpy()).mean() < 12
    assert json.loads(Path("out.npy.run/plan.json").read_text())["versions"]["gigatile-outside"] == "1.0"
    assert upscale(model, "--set", "sampling.solver=dpm++3m", "--set", "sampling.coarse=bicubic").exit_code == 0, (
        "it is finished already"
    )


def test_another_version_does_not_resume_a_run(model: str, tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        Image.fromarray(picture(20, 20).transpose(1, 2, 0)).save("in.png")
        with patch.context() as first:
            install_project(first, PROJECT, tmp_path / "first")
            assert upscale(model).exit_code == 0
        with patch.context() as second:
            install_project(second, PROJECT, tmp_path / "second", version="2.0")
            result = upscale(model, "--overwrite")
            assert result.exit_code != 0
            assert "versions.gigatile-outside: this command says '2.0', the run says '1.0'" in " ".join(
                result.output.split()
            )
        with pytest.raises(ValueError, match=r"the package gigatile-outside 1\.0, which is not installed here"):
            plan_from_json(Path("out.npy.run/plan.json").read_bytes())


def test_without_the_package_nothing_is_known(model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Image.fromarray(picture(20, 20).transpose(1, 2, 0)).save("in.png")
    for words, line in (
        (["--model", model], "no adapter for BilinearPipeline"),
        (["--model", "analytic", "--set", "sampling.solver=dpm++3m"], "solver must be one of ddim"),
        (["--model", "embedded", "--tagger", "./colours"], "no such folder"),
    ):
        result = call("upscale", "in.png", "out.png", "--workers", 0, *words)
        assert result.exit_code != 0
        assert line in " ".join(result.output.split())


@pytest.mark.usefixtures("site")
def test_its_tagger_prompts_the_embedded_model() -> None:
    card = describe_tagger("colours")
    assert card.packages == {"gigatile-outside": "1.0"}
    low = torch.zeros(2, 3, 8, 8)
    low[0, 2], low[1] = 0.2, 0.9
    tagger = load_tagger(card, make_tagging(card, None), device="cpu", captions="short")
    assert [[phrase for phrase, _ in said] for said in tagger.tag(low)] == [["blue", "dark"], ["bright"]]
    Image.fromarray(np.full((32, 32, 3), (20, 20, 90), np.uint8)).save("in.png")
    result = upscale("embedded", "--tagger", "colours", "--steps", "1", out="out.png")
    assert result.exit_code == 0, result.output
    plan = json.loads(Path("out.png.run/plan.json").read_text())
    assert plan["versions"]["gigatile-outside"] == "1.0"
    assert plan["tagger"]["kind"] == "colours"
    texts = [path.read_text(errors="replace") for path in Path("out.png.run").rglob("*") if path.is_file()]
    assert any("blue" in text for text in texts)


def test_the_family_is_described_from_its_folder(site: Path, model: str) -> None:
    card = describe_model(model)
    assert (card.family, card.packages, card.geometry.cost.parameters) == ("bilinear", {"gigatile-outside": "1.0"}, 0)
    assert (card.geometry.restores, card.geometry.tags, card.geometry.reads_text) == (False, False, False)
