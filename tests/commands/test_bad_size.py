"""Mistakes that `gigatile generate` refuses in one line before anything is computed, and what it says of a size."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from diffusers import UNet2DConditionModel
from typer.testing import Result

from tests.commands.test_bad_input import one_line
from tests.support.tiny import write_stable_diffusion
from tests.support.tiny_transformers import write_flux

Run = Callable[..., Result]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Native size 128 pixels; ``odd`` has a block that nobody here knows."""
    folder = tmp_path_factory.mktemp("models")
    made = {"sd": write_stable_diffusion(folder / "sd"), "odd": write_stable_diffusion(folder / "odd")}
    made["flux"] = write_flux(folder / "flux")
    table = json.loads((made["odd"] / "unet" / "config.json").read_text())
    table["down_block_types"][1] = "SimpleCrossAttnDownBlock2D"
    UNet2DConditionModel.from_config(table).save_pretrained(made["odd"] / "unet")
    return {name: str(path) for name, path in made.items()} | {"embedded": "embedded", "analytic": "analytic"}


def generate(run: Run, model: str, *options: str, recipe: str = "", prompt: str = "abc") -> Result:
    """``generate``, with a recipe file where there are lines for one; leaves nothing else behind."""
    Path("mine.toml").write_text(recipe)
    return run("generate", prompt, "out.png", "--model", model, "--recipe", "mine.toml", "--workers", "0", *options)


@pytest.mark.parametrize("only_plan", [False, True])
@pytest.mark.parametrize(
    ("model", "size", "recipe", "parts"),
    [
        ("sd", "4096", "", ["--size", "WIDTHxHEIGHT", "4096x4096", "'4096'"]),
        ("sd", "0x256", "", ["--size", "WIDTHxHEIGHT", "'0x256'"]),
        ("sd", "-256x256", "", ["--size", "WIDTHxHEIGHT", "'-256x256'"]),
        ("sd", "256x127", "", ["--size 256x127", "128 x 128", "at least 128"]),
        (
            "sd",
            "2048x128",
            'preset = "demofusion"',
            ["--size 2048x128", "first stage", "128x8", "at least 16", "'one'"],
        ),
        (
            "flux",
            "256x256",
            'preset = "accdiffusion-v2"',
            ["prompts.source = 'attention'", "cross-attention", "'global'"],
        ),
        (
            "sd",
            "512x512",
            "dilation.power = 1.0\ndilation.window = 24\nstages.growth = 'double'",
            ["dilation.window", "16", "32", "24"],
        ),
        (
            "sd",
            "512x512",
            "dilation.window = 32\nstages.growth = 'double'",
            ["dilation.window", "dilation.power"],
        ),
        (
            "odd",
            "256x256",
            'preset = "scalediff"\nguidance.low_band = 0.25',
            ["tiles.attend = 'neighbourhood'", "'tiles'"],
        ),
        (
            "sd",
            "256x256",
            'run.compat = "official"\nsampling.solver = "ddim"',
            ["run.compat = 'official'", "euler", "'ddim'"],
        ),
        (
            "sd",
            "256x256",
            'run.compat = "official"\nstages.growth = "double"',
            ["run.compat = 'official'", "'ddim'", "sampling.solver = 'euler' only"],
        ),
        ("sd", "256x256", "dilation.interaction = true", ["interaction", "dilation.power"]),
        ("analytic", "256x256", "", ["model analytic", "reads no text", "--model"]),
        (
            "sd",
            "256x256",
            'structure.controls = "edges"\nstages.growth = "double"',
            ["structure.controls = 'edges'", "ControlNet", "'none'"],
        ),
        ("sd", "256x256", "structure.edge_share = 1.5", ["edge_share", "between 0 and 1", "1.5"]),
        ("sd", "256x256", "sampling.restart = 0.0", ["restart", "above 0", "0.0"]),
        ("sd", "256x256", 'stages.growth = "three"', ["stages", "one, linear, double", "three"]),
        (
            "sd",
            "256x256",
            'image_prompts.source = "textures"\nstages.growth = "double"',
            ["IP-Adapter", "image_prompts"],
        ),
    ],
)
def test_one_line(
    run: Run,
    tmp_path: Path,
    models: dict[str, str],
    model: str,
    size: str,
    recipe: str,
    parts: list[str],
    only_plan: bool,
) -> None:
    options = ["--size", size, *(["--plan"] if only_plan else [])]
    one_line(generate(run, models[model], *options, recipe=recipe), *parts)
    assert {path.name for path in tmp_path.iterdir()} == {"mine.toml"}


def test_words_that_the_embedded_model_does_not_know(run: Run, tmp_path: Path) -> None:
    one_line(
        generate(run, "embedded", "--size", "512x512", prompt="a red elephant"), "elephant", "it knows", "vegetation"
    )
    assert {path.name for path in tmp_path.iterdir()} == {"mine.toml"}


def test_a_rounded_size_is_said_so(run: Run, tmp_path: Path, models: dict[str, str]) -> None:
    """And only then: 16 pixels a latent pixel and its even number divide the first size, not the second."""
    for size, line in (("256x192", None), ("250x130", "computed as 144 x 256 and cut")):
        result = generate(run, models["sd"], "--size", size, "--plan", recipe='stages.growth = "double"')
        assert result.exit_code == 0, result.output
        assert ("computed as" in result.stdout) == (line is not None)
        assert line is None or line in result.stdout
        width, height = size.split("x")
        assert f"{height} x {width} pixels (height x width)" in result.stdout
    assert {path.name for path in tmp_path.iterdir()} == {"mine.toml"}
