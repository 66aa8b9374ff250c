"""Difficulty from a user's map and from a vision transformer, by the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import Result

from actors.artifacts.layout import COARSE, DIFFICULTY, latent_name
from pipeline.plan.record import plan_from_json
from storage.run import RunStore
from tests.commands.test_bad_input import one_line
from tests.support.tiny import write_stable_diffusion, write_vit

Run = Callable[..., Result]

pytestmark = pytest.mark.usefixtures("image")

WORDS = ["--scale", "2", "--workers", "0"]


@pytest.fixture
def model(tmp_path: Path) -> None:
    write_stable_diffusion(tmp_path / "model")
    numbers = {"steps": 4, "window": 8, "overlap": 0, "region": 16, "lower_bound": 0.0005, "batch": 1, "keep_steps": 1}
    numbers |= {"difficulty_cell": 1, "difficulty_power": 1}
    lines = ['preset = "yoda"', *(f"{key} = {value}" for key, value in numbers.items())]
    (tmp_path / "mine.toml").write_text("\n".join(lines))


def left_black(path: Path, height: int, width: int) -> None:
    """Nothing to invent on the left, under the first tile."""
    values = np.zeros((height, width), dtype=np.uint8)
    values[:, 2 * width // 3 :] = 255
    Image.fromarray(values).save(path)


@pytest.mark.usefixtures("model")
def test_a_map_of_the_users(run: Run, tmp_path: Path) -> None:
    """Where it is black the latents are the noised coarse ones, up to the last step; elsewhere they are not."""
    left_black(tmp_path / "map.png", 30, 50)
    words = ["--model", "model", "--recipe", "mine.toml", "--difficulty", "map.png", *WORDS]
    result = run("upscale", "in.png", "out.png", *words, quick=False)
    assert result.exit_code == 0, result.output
    store = RunStore.open(str(tmp_path / "out.png.run"))
    plan = plan_from_json(store.read_plan() or b"")
    assert plan.recipe.difficulty.source == "file"
    canvas = plan.regions.canvas
    found, coarse, difficulty = (store.open_array(name).read(canvas) for name in (latent_name(3), COARSE, DIFFICULTY))
    still = difficulty[0] == 0
    assert 0.5 < still.mean() < 0.7
    changed = (found - coarse) ** 2
    # this scheduler's last timestep has a deviation of 0.029 of noise
    assert 0.02 < changed[:, still].mean() ** 0.5 < 0.04 < 0.1 < changed[:, ~still].mean() ** 0.5
    assert json.loads((tmp_path / "out.png.run" / "status.json").read_text())["forwards"] < plan.tiles.num_tiles * 4 * 2
    assert f"of {plan.tiles.num_tiles * 4} tiles x steps" in result.output
    assert "already finished" in run("upscale", "in.png", "out.png", *words, quick=False).output


@pytest.mark.usefixtures("model")
@pytest.mark.parametrize("kind", ["vit", "dinov2"])
def test_a_transformers_attention(run: Run, tmp_path: Path, kind: str) -> None:
    write_vit(tmp_path / "vit", kind=kind, side=16, patch=4)
    words = ["--model", "model", "--recipe", "mine.toml", "--vit", "vit", *WORDS]
    result = run("upscale", "in.png", "out.png", *words, quick=False)
    assert result.exit_code == 0, result.output
    store = RunStore.open(str(tmp_path / "out.png.run"))
    plan = plan_from_json(store.read_plan() or b"")
    assert plan.recipe.difficulty.source == "attention"
    difficulty = store.open_array(DIFFICULTY).read(plan.regions.canvas)
    assert 0 < difficulty.min() < difficulty.max() == 1


@pytest.mark.usefixtures("model")
def test_refusals(run: Run, tmp_path: Path) -> None:
    def refused(*words: str, recipe: str = "mine.toml", parts: list[str]) -> None:
        given = ["--model", "model", "--recipe", recipe, *words, *WORDS]
        one_line(run("upscale", "in.png", "out.png", *given, quick=False), *parts)
        assert not (tmp_path / "out.png.run").exists()

    left_black(tmp_path / "small.png", 15, 25)
    left_black(tmp_path / "map.png", 30, 50)
    refused("--difficulty", "small.png", parts=["--difficulty small.png", "15 x 25", "30 x 50"])
    refused("--difficulty", "nowhere.png", parts=["nowhere.png"])
    refused("--vit", "nowhere", parts=["--vit nowhere"])
    refused(
        "--difficulty", "map.png", recipe="multidiffusion", parts=["difficulty.source = 'file'", "patchscaler and yoda"]
    )
    (tmp_path / "file.toml").write_text('preset = "yoda"\ndifficulty.source = "file"\n')
    refused(recipe="file.toml", parts=["--difficulty", "go together", "none"])
    (tmp_path / "gradient.toml").write_text('preset = "yoda"\ndifficulty.source = "gradient"\n')
    refused("--difficulty", "map.png", recipe="gradient.toml", parts=["--difficulty", "go together"])
