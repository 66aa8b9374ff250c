"""``--set``: known keys, values of TOML, and what they do to a plan."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from cluster.job import Job
from cluster.runs.settings import parse_settings, parse_strict
from cluster.runs.sitting import Prepared
from cluster.runs.upscale import open_source, prepare
from pipeline.plan.presets import override
from pipeline.plan.recipe import Recipe
from pipeline.plan.record import plan_from_json
from tests.support.tiny import write_stable_diffusion


def test_values_are_those_of_toml() -> None:
    given = [
        "sampling.steps=8",
        "guidance.weight = 2.5",
        "model.strict=false",
        'prompts.text="a = b"',
        "sampling.solver=euler",
        "codec.value_range=[0, 9]",
    ]
    found = parse_settings(given)
    table = {"sampling.steps": 8, "guidance.weight": 2.5, "model.strict": False, "prompts.text": "a = b"}
    assert found == {**table, "sampling.solver": "euler", "codec.value_range": [0, 9]}
    recipe = override(Recipe(), found, where="--set")
    assert not recipe.model.strict
    assert (recipe.sampling.steps, recipe.codec.value_range, recipe.prompts.text) == (8, (0.0, 9.0), "a = b")
    assert parse_settings(None) == parse_settings([]) == {}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["stpes=8"], "unknown key 'stpes'; did you mean sampling.steps?"),
        (["model.strct=false"], "did you mean model.strict"),
        (["steps"], "expected KEY=VALUE"),
        (["sampling.steps="], "expected KEY=VALUE"),
        (["sampling.steps=8 x"], "no value of TOML"),
        (["sampling.steps=8", "sampling.steps=9"], "sampling.steps is set twice"),
        (["sampling.steps=8", "steps" + "=9"], "sampling.steps is set twice"),
        (["sampling.window=8"], "did you mean tiles.window?"),
        (["model.strict=no"], "no value of TOML"),
        (["preset=yoda"], "unknown key 'preset'"),
        (["sampling.steps=1\nseed=3"], "expected one value"),
    ],
)
def test_mistakes_are_named(given: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        parse_settings(given)


def test_a_wrong_type_is_named_where_it_meets_the_recipe() -> None:
    with pytest.raises(ValueError, match=r"--set: sampling.steps must be of type int, got 'many'"):
        override(Recipe(), parse_settings(['sampling.steps="many"']), where="--set")
    with pytest.raises(ValueError, match=r"--set: model.strict must be of type bool, got 0"):
        parse_strict(["model.strict=0"])


def test_commands_without_a_recipe_know_the_model_alone() -> None:
    assert not parse_strict(["model.strict=false"])
    assert parse_strict(None)
    with pytest.raises(ValueError, match=r"this command has no recipe, it knows model.strict alone"):
        parse_strict(["sampling.steps=8"])


def test_a_plan_records_what_is_dropped_and_says_it(tmp_path: Path) -> None:
    model = write_stable_diffusion(tmp_path / "sd")
    path = next((model / "unet").glob("*.safetensors"))
    more = {"mid_block.image_attentions.0.norm.weight": torch.ones(3)}
    save_file(load_file(path) | more, path, metadata={"format": "pt"})
    Image.fromarray(np.zeros((32, 32, 3), np.uint8)).save(tmp_path / "x.png")

    def prepared(*settings: str) -> object:
        job = Job(
            input=str(tmp_path / "x.png"),
            output=str(tmp_path / "y.png"),
            model=str(model),
            workers=0,
            settings=list(settings),
        )
        with open_source(job) as source:
            return prepare(job, source)

    with pytest.raises(ValueError, match=r"unet has 1 tensor .*SeeSR.*--set model\.strict=false"):
        prepared("sampling.steps=3")
    found = prepared("sampling.steps=3", "model.strict=false")
    plan = found.plan  # type: ignore[attr-defined]
    assert plan.recipe.sampling.steps == 3
    assert len(plan.dropped) == 1
    assert "it is dropped" in found.warnings[0]  # type: ignore[attr-defined]
    assert plan_from_json(plan.to_json()) == plan


def test_names_of_the_release_before_are_warned_of(tmp_path: Path) -> None:
    """Of the file and of ``--set``, each in a line that says what to write; the new names are not spoken of."""
    Image.fromarray(np.zeros((32, 32, 3), np.uint8)).save(tmp_path / "x.png")
    (tmp_path / "old.toml").write_text("\n".join(("window = 48", "overlap = 16", "sampling.spacing = 'model'")))
    (tmp_path / "new.toml").write_text("[tiles]\nwindow = 48\noverlap = 16\n")

    def prepared(recipe: str, *settings: str) -> Prepared:
        job = Job(
            input=str(tmp_path / "x.png"),
            output=str(tmp_path / "y.png"),
            model="analytic",
            recipe=str(tmp_path / recipe),
            workers=0,
            settings=list(settings),
        )
        with open_source(job) as source:
            return prepare(job, source)

    old, new = (
        prepared("old.toml", "sampling.steps=3", "seed=7"),
        prepared("new.toml", "sampling.steps=3", "run.seed=7"),
    )
    assert old.plan == new.plan
    lines = [line for line in old.warnings if "release before" in line]
    assert [line.split(":")[0] for line in lines] == [str(tmp_path / "old.toml"), "--set"]
    assert lines[0].endswith("write tiles.window for window, tiles.overlap for overlap")
    assert lines[1].endswith("write run.seed for seed")
    assert not any("release before" in line for line in new.warnings)
