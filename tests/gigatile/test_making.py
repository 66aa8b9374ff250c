"""The public functions do what the commands do: the same run, the same bytes, the same refusals."""

from __future__ import annotations

import hashlib
import typing
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import gigatile
from actors.drive import StoppedError
from tests.support.command_line import at_home, image, run

__all__ = ["at_home", "image", "run"]

QUICK = {"workers": 0, "model": "analytic", "steps": 2, "device": "cpu"}


def sha(path: str) -> str:
    with Image.open(path) as picture:
        return hashlib.sha256(np.asarray(picture).tobytes()).hexdigest()


def test_a_picture_as_the_command_makes_it(image: np.ndarray, run: typing.Callable[..., typing.Any]) -> None:
    heard: list[dict[str, typing.Any]] = []
    result = gigatile.upscale("in.png", "a.png", scale=2, on_progress=heard.append, **QUICK)
    assert run("upscale", "in.png", "b.png", "--scale", "2").exit_code == 0
    assert sha("a.png") == sha("b.png")
    with Image.open("a.png") as made:
        assert made.size == (100, 60)  # of 30 x 50 pixels, y before x
    assert (result.output, result.already_finished) == (Path("a.png"), False)
    assert heard[-1]["fraction"] == 1.0
    assert set(heard[-1]) >= {"state", "stage", "total", "done"}
    assert result.run.status()["pixels_sha256"] == result.sha256
    again = gigatile.upscale("in.png", "a.png", scale=2, **QUICK)
    assert again.already_finished
    assert again.sha256 == result.sha256


def test_warnings_are_told_before_it_runs_and_kept(image: np.ndarray, caplog: pytest.LogCaptureFixture) -> None:
    """Of settings that change nothing, as the command has it."""
    recipe = {"preset": "multidiffusion", "idle_spread": 0.5}
    planned = gigatile.plan("in.png", "out.png", scale=2, recipe=recipe, **QUICK)
    assert any("idle_spread" in line for line in planned.warnings)
    result = gigatile.upscale("in.png", "out.png", scale=2, recipe=recipe, **QUICK)
    assert result.warnings == planned.warnings
    assert [record.message for record in caplog.records if record.name == "gigatile.making"] == [*planned.warnings]
    assert gigatile.upscale("in.png", "out.png", scale=2, recipe=recipe, **QUICK).warnings == ()


def test_nothing_is_said_on_the_terminal(image: np.ndarray, capfd: pytest.CaptureFixture[str]) -> None:
    gigatile.upscale("in.png", "a.png", scale=2, **QUICK)
    assert capfd.readouterr() == ("", "")


def test_stopped_and_taken_up_again(image: np.ndarray) -> None:
    whole = gigatile.upscale("in.png", "whole.png", scale=2, **QUICK)
    asked = iter([False] * 6 + [True] * 1000)
    with pytest.raises(StoppedError):
        gigatile.upscale("in.png", "cut.png", scale=2, should_stop=lambda: next(asked), **QUICK)
    assert gigatile.Run("cut.png.run").status()["state"] == "stopped"
    assert gigatile.upscale("in.png", "cut.png", scale=2, **QUICK).sha256 == whole.sha256


@pytest.mark.parametrize("make", ["table", "recipe", "file"])
def test_the_ways_to_give_a_recipe(image: np.ndarray, make: str) -> None:
    Path("mine.toml").write_text('preset = "multidiffusion"\ntiles.blend = "uniform"\nrun.seed = 5\n')
    said = {"preset": "multidiffusion", "blend": "uniform", "seed": 5}
    ways = {"table": said, "recipe": gigatile.Recipe.from_flat(blend="uniform", seed=5), "file": Path("mine.toml")}
    planned = gigatile.plan("in.png", "out.png", scale=2, recipe=ways[make], **QUICK)
    assert (planned.plan.recipe.tiles.blend, planned.plan.recipe.run.seed) == ("uniform", 5)
    assert planned.price.region_steps == planned.plan.regions.num_regions * 2
    assert not Path("out.png.run").exists()


def test_what_is_refused(image: np.ndarray) -> None:
    with pytest.raises(TypeError, match="unknown option 'workes': did you mean workers"):
        gigatile.upscale("in.png", "out.png", workes=2)
    with pytest.raises(ValueError, match="stpes"):
        gigatile.upscale("in.png", "out.png", recipe={"stpes": 2}, **QUICK)
    with pytest.raises(FileNotFoundError, match=r"absent\.png"):
        gigatile.upscale("absent.png", "out.png", **QUICK)
    with pytest.raises(AttributeError, match="upscale"):
        gigatile.upsale  # noqa: B018


def test_plans_of_stages(image: np.ndarray) -> None:
    stages = gigatile.plan_text(
        "aerial, water", "out.png", size=(512, 1024), recipe={"stages": "double"}, **QUICK | {"model": "embedded"}
    )
    assert [stage.plan.stage.index for stage in stages] == list(range(len(stages)))
    assert (stages[-1].plan.image.height, stages[-1].plan.image.width) == (512, 1024)
