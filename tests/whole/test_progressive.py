"""Progressive runs against an oracle by plain loops, stopped and resumed, on any number of regions."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from actors.artifacts.layout import COARSE, OUT, latent_name
from actors.drive import StoppedError
from pipeline.geometry.interaction import draw_bijection
from pipeline.geometry.jitter import draw_jitter, move
from pipeline.geometry.noise import keyed_noise
from pipeline.models.protocol import Conditioning
from pipeline.models.registry import describe_model, load_backbone
from pipeline.plan.plan import Plan
from pipeline.tasks.denoise import embed_own
from tests.support import demofusion
from tests.support.runs import sit
from tests.support.series import Series, begin, plan_series, tiny_model


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return tiny_model(tmp_path_factory.mktemp("model"))


def make_oracle(
    series: Series,
    height: int,
    width: int,
    control: Callable[[int], torch.Tensor | None] = lambda phase: None,
    **settings: Any,
) -> demofusion.Program:
    """The plain loops with the engine's random numbers, on the same model; ``control`` as in demofusion.Given."""
    plans = series.plans
    last, recipe = plans[-1], plans[-1].recipe
    backbone = load_backbone(describe_model(series.model), device="cpu", dtype="float32")
    table = embed_own(backbone, recipe.prompts.negative, recipe.prompts.text)

    def eps(latents: torch.Tensor, t: float, _name: str, ids: Any, shown: Any) -> torch.Tensor:
        crops = torch.tensor([ids], dtype=torch.float32)
        structure = None if shown is None else {"edges": shown[None]}
        rows = [{name: values[row : row + 1] for name, values in table.items()} for row in (0, 1)]
        without, with_it = (
            backbone.predict(latents[None], torch.tensor(t), Conditioning(crops=crops, structure=structure, **row))[0]
            for row in rows
        )
        return without + float(recipe.guidance.weight or 0) * (with_it - without)

    def noise(plan: Plan) -> torch.Tensor:
        return torch.from_numpy(
            keyed_noise(plan.regions.canvas, channels=4, seed=recipe.run.seed, stage=plan.stage.index, draw=0)
        )

    def jitter(phase: int, step: int, view: int) -> tuple[int, int]:
        plan = plans[phase - 1]
        tile = plan.tiles.tile(*divmod(view, len(plan.tiles.lefts)))
        by = draw_jitter(recipe.run.seed, phase - 1, step, tile, plan.jitter)
        moved = move(tile, plan.tiles, by, plan.regions.canvas, beyond=recipe.run.compat == "official")
        return moved.box.top - tile.box.top, moved.box.left - tile.box.left

    def permutation(phase: int, step: int, group: int) -> torch.Tensor:
        dilation = plans[phase - 1].dilation
        assert dilation is not None
        size = recipe.dilation.interaction_group or dilation.num_samples
        found = draw_bijection(
            dilation.num_samples,
            *dilation.sample_shape,
            seed=recipe.run.seed,
            stage=phase - 1,
            step=step,
            window=0,
            group=recipe.dilation.interaction_group,
        )
        first = group * size
        return torch.from_numpy(found[first : first + size] - first)

    return demofusion.Program(
        settings=demofusion.Settings(height=height, width=width, window=16, stride=8, steps=last.num_steps, **settings),
        given=demofusion.Given(
            base=noise(plans[0]),
            noise=lambda phase: noise(plans[phase - 1]),
            jitter=jitter,
            permutation=permutation,
            control=control,
        ),
        eps=eps,
    )


def result(series: Series, index: int) -> torch.Tensor:
    """What the last step of a stage left, [c, y, x]."""
    plan = series.plans[index]
    return torch.from_numpy(series.stores[index].open_array(latent_name(plan.num_steps)).read(plan.regions.canvas))


def apart(found: torch.Tensor, expected: torch.Tensor) -> float:
    """Largest difference, in units of the largest value."""
    return float((found - expected).abs().max() / expected.abs().max())


OFFICIAL = {"compat": "official", "compat_batch": 4}
PUBLISHED = {"sigma_mode": "official", "view_batch": 4}
CORRECTED = {"border": "clamped", "blur_border": "edge"}
BARE = {"skip": False, "dilated": False, "anchor": False}


@pytest.mark.parametrize(
    ("height", "width", "recipe", "settings"),
    [
        (192, 256, {}, CORRECTED),
        (192, 384, {"interaction": True}, {**CORRECTED, "interaction": 9}),
        (192, 256, {**OFFICIAL, "interaction": True, "interaction_group": 2}, {**PUBLISHED, "interaction": 2}),
        (192, 256, {"skip": 0.0, "dilated": 0.0, "jitter": "none", "anchor": False}, {**CORRECTED, **BARE}),
    ],
    ids=["demofusion", "accdiffusion", "official", "bare"],
)
def test_equals_the_plain_loops(
    model: str, tmp_path: Path, height: int, width: int, recipe: dict[str, Any], settings: dict[str, Any]
) -> None:
    series = begin(tmp_path, model, plan_series(model, height, width, **recipe))
    series.sit()
    jittered = series.plans[-1].jitter > 0
    oracle = make_oracle(series, height, width, **settings)
    expected = demofusion.run(oracle)
    assert len(expected) == len(series.plans)
    assert jittered == ("jitter" not in recipe)
    for index, latents in enumerate(expected):
        found = result(series, index)
        if index and series.plans[index].recipe.stages.anchor:
            found = demofusion.restandardised(found, expected[0].mean(), expected[0].std())
        assert apart(found, latents) < 1e-5
        if index:
            start = series.stores[index].open_array(COARSE).read(series.plans[index].regions.canvas)
            assert apart(torch.from_numpy(start), demofusion.enlarged(expected[index - 1], start.shape[1:])) < 1e-5


FULL = {"preset": "accdiffusion-v2", "steps": 2, "keep_steps": 2}


def digest(series: Series) -> str:
    pixels = series.stores[-1].open_array(OUT).read(series.plans[-1].out_regions.canvas)
    return hashlib.sha256(np.ascontiguousarray(pixels).tobytes()).hexdigest()


@pytest.fixture(scope="module")
def whole(model: str, tmp_path_factory: pytest.TempPathFactory) -> Series:
    """An undisturbed run of two stages, the second on 2 x 2 regions."""
    series = begin(tmp_path_factory.mktemp("whole"), model, plan_series(model, 256, 256, **FULL))
    series.sit()
    return series


@pytest.mark.parametrize("turns", [12, 40])
def test_stopped_anywhere_gives_the_same_bytes(model: str, whole: Series, tmp_path: Path, turns: int) -> None:
    series = begin(tmp_path, model, whole.plans)
    calls = itertools.count()
    with pytest.raises(StoppedError):
        series.sit(should_stop=lambda: next(calls) >= turns)
    series.sit()
    assert digest(series) == digest(whole)


def test_damage_is_made_again(model: str, whole: Series, tmp_path: Path) -> None:
    """A lost coarse latent in the middle of a stage: prepared again, and all that waits for it goes on."""
    series = begin(tmp_path, model, whole.plans)
    series.sit([0])
    calls = itertools.count()
    with pytest.raises(StoppedError):
        series.sit([1], should_stop=lambda: next(calls) >= 30)
    series.stores[1].open_array(COARSE).delete(2)
    series.sit([1])
    assert digest(series) == digest(whole)


def test_a_stage_of_another_plan_is_refused(model: str, whole: Series, tmp_path: Path) -> None:
    other = begin(tmp_path, model, plan_series(model, 256, 256, **FULL, seed=1))
    mixed = Series(model=model, plans=whole.plans, stores=(other.stores[0], other.stores[1]))
    with pytest.raises(ValueError, match="does not hold the stage"):
        sit(mixed.case(1), mixed.stores[1])


def test_bounded_windows_equal_the_whole_canvas_where_it_fits(model: str, whole: Series, tmp_path: Path) -> None:
    bounded = plan_series(model, 256, 256, **FULL, dilation_window=32)
    assert bounded[1].dilation == whole.plans[1].dilation
    series = begin(tmp_path, model, bounded)
    series.sit()
    assert digest(series) == digest(whole)


def test_bounded_windows_of_a_larger_canvas_stopped_and_resumed(model: str, tmp_path: Path) -> None:
    """Four windows that overlap; tests/pipeline/tasks/test_exchange.py has their sums."""
    recipe = {**FULL, "stages": "one", "steps": 2, "dilation_window": 32, "prompts": "global"}
    plans = plan_series(model, 384, 384, **recipe)
    dilation = plans[0].dilation
    assert dilation is not None
    assert (dilation.num_windows, dilation.factor) == (4, 2)
    straight, broken = (begin(tmp_path / name, model, plans) for name in ("a", "b"))
    straight.sit()
    calls = itertools.count()
    with pytest.raises(StoppedError):
        broken.sit(should_stop=lambda: next(calls) >= 40)
    broken.sit()
    assert digest(broken) == digest(straight)


@pytest.mark.parametrize(
    ("recipe", "steps"),
    [({"preset": "scalediff", "prompts": "global", "steps": 5}, [5, 2]), ({"lift": "pixels", "steps": 2}, [2, 2])],
    ids=["scalediff", "demofusion with pixels"],
)
def test_regions_stopped_and_resumed(model: str, tmp_path: Path, recipe: dict[str, Any], steps: list[int]) -> None:
    plans = plan_series(model, 256, 256, **{"stages": "double", **recipe}, low_band=0.25)
    assert [plan.num_steps for plan in plans] == steps
    straight, broken = (begin(tmp_path / name, model, plans) for name in ("a", "b"))
    straight.sit()
    for turns in (10, 25):
        calls = itertools.count()
        with pytest.raises(StoppedError):
            broken.sit(should_stop=lambda calls=calls, turns=turns: next(calls) >= turns)  # type: ignore[misc]
    broken.sit()
    assert digest(broken) == digest(straight)
