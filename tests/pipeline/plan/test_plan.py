"""A plan is complete, canonical and comparable, and refuses what cannot work."""

from __future__ import annotations

import dataclasses
import json
import random
from types import SimpleNamespace
from typing import Any

import diffusers
import pytest
from diffusers import StableDiffusionImg2ImgPipeline

from pipeline.geometry.tiles import plan_tiles
from pipeline.models.families import analytic
from pipeline.models.protocol import Neighbourhood
from pipeline.models.registry import describe_model
from pipeline.plan.cost import latent_bytes, price
from pipeline.plan.recipe import SETTINGS
from pipeline.plan.record import differing_fields, plan_from_json
from storage.box import Box
from tests.support.damage import mutated
from tests.support.geometries import altered
from tests.support.tiny import small_plan


def test_round_trip_and_hash() -> None:
    plan = small_plan(value_range=(0.0, 200.0))
    again = plan_from_json(plan.to_json())
    assert again == plan
    assert again.hash == plan.hash == small_plan(value_range=(0.0, 200.0)).hash


def test_nothing_is_left_open() -> None:
    """None says that all of a canvas is gathered, that attention reaches over a tile, and that there are no groups."""
    always = {"dilation.window"}

    def left_open(**recipe: Any) -> set[str]:
        settled = small_plan(**recipe).recipe
        return {name for name in SETTINGS if settled.value(name) is None} - always

    assert left_open() == {"difficulty.group_steps", "tiles.attention_window"}
    assert left_open(activity="groups") == {"tiles.attention_window"}
    nearby = {"attend": "neighbourhood", "model": describe_model("embedded"), "region": 128, "window": None}
    assert left_open(**nearby) == {"difficulty.group_steps"}


@pytest.mark.parametrize(
    "change", [{"seed": 1}, {"steps": 4}, {"blend": "uniform"}, {"sha256": "1" * 64}, {"width": 126}]
)
def test_whatever_affects_a_byte_changes_the_hash(change: dict[str, object]) -> None:
    assert small_plan(**change).hash != small_plan().hash  # type: ignore[arg-type]


def test_differences_are_named() -> None:
    lines = differing_fields(small_plan(seed=5), small_plan())
    assert lines == ["recipe.run.seed: this command says 5, the run says 0"]


def test_another_format_is_refused() -> None:
    table = json.loads(small_plan().to_json())
    with pytest.raises(ValueError, match="format 99"):
        plan_from_json(json.dumps({**table, "format": 99}).encode())


def test_output_is_cut_at_the_true_edge() -> None:
    geometry = dataclasses.replace(analytic.GEOMETRY, multiple=8)
    plan = small_plan(height=75, width=125, model=dataclasses.replace(analytic.CARD, geometry=geometry))
    assert (plan.regions.height, plan.regions.width) == (80, 128)
    assert (plan.out_regions.height, plan.out_regions.width) == (300, 500)
    assert plan.out_regions.num_regions == plan.regions.num_regions


def test_scale_and_size() -> None:
    fixed = dataclasses.replace(analytic.CARD, geometry=dataclasses.replace(analytic.GEOMETRY, native_scale=4))
    with pytest.raises(ValueError, match="enlarges by 4"):
        small_plan(model=fixed, scale=3)
    with pytest.raises(ValueError, match="at least 1, got 0"):
        small_plan(scale=0)
    coarse = dataclasses.replace(analytic.CARD, geometry=dataclasses.replace(analytic.GEOMETRY, multiple=8))
    small = small_plan(height=8, width=50, model=coarse)
    assert (small.tiles.tile_height, small.tiles.tile_width) == (8, 48)


def test_windows_must_fit_the_model() -> None:
    coarse = dataclasses.replace(analytic.CARD, geometry=dataclasses.replace(analytic.GEOMETRY, multiple=8))
    with pytest.raises(ValueError, match="multiples of 8"):
        small_plan(model=coarse, window=44)
    with pytest.raises(ValueError, match="overlap must be below"):
        small_plan(window=16, overlap=16)


def test_price_counts() -> None:
    plan = small_plan(batch=4)
    cost = price(plan)
    per_region = [len(plan.tiles.owned_by(plan.regions.box(r))) for r in range(plan.regions.num_regions)]
    assert cost.tiles == plan.tiles.num_tiles == sum(per_region)
    assert cost.forwards == sum(-(-count // 4) * 4 for count in per_region) * plan.num_steps
    assert price(small_plan(batch=4, guidance=3.0)).forwards == 2 * cost.forwards
    assert cost.region_steps == plan.regions.num_regions * 3
    assert cost.disk_peak > 3 * latent_bytes(plan)
    assert price(small_plan(batch=4096)).memory_worker > cost.memory_worker


@pytest.mark.parametrize("wish", [{"coarse": "restored"}, {"prompts": "local"}])
def test_what_a_model_lacks_is_refused(wish: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"needs a (restoration module|tagger)"):
        small_plan(**wish)


def test_words_outside_a_closed_vocabulary_are_named() -> None:
    model = dataclasses.replace(analytic.CARD, vocabulary=("water", "strong", "blur"))
    assert small_plan(model=model, prompt="Strong blur, water").recipe.prompts.text == "Strong blur, water"
    with pytest.raises(ValueError, match=r"does not know lake, deep; it knows blur, strong, water"):
        small_plan(model=model, prompt="lake, water", negative_prompt="deep")


def test_a_damaged_record_is_one_line_or_a_plan() -> None:
    """No other exception, whatever one member is changed to; see the table of faults of a store."""
    draw, table = random.Random(22), json.loads(small_plan(model=describe_model("embedded")).to_json())
    refused = []
    for _ in range(300):
        try:
            plan_from_json(json.dumps(mutated(table, draw)).encode(), where="here/plan.json")
        except ValueError as e:
            refused.append(str(e))
    assert len(refused) > 150
    assert all(line.startswith("here/plan.json: ") and "\n" not in line for line in refused)


@pytest.mark.parametrize("data", [b"", b"[]", b"null", b"{}", b"{", b"[" * 100_000, b"\xff"])
def test_what_is_no_record_is_one_line(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"^here: "):
        plan_from_json(data, where="here")


def img2img_times(class_name: str, steps: int, strength: float, **settings: Any) -> list[float]:
    """What a diffusers pipeline runs of a model's steps at a strength."""
    scheduler = getattr(diffusers, class_name).from_config({**analytic.SCHEDULER, **settings})
    scheduler.set_timesteps(steps)
    pipeline: Any = StableDiffusionImg2ImgPipeline
    return pipeline.get_timesteps(SimpleNamespace(scheduler=scheduler), steps, strength, "cpu")[0].tolist()


@pytest.mark.parametrize(
    ("recipe", "strength"),
    [
        ({"start": "image", "strength": 0.75}, 0.75),
        ({"start": "image", "strength": 0.25}, 0.25),
        ({"start": "image", "restart": 0.5}, 0.5),
        ({"start": "image", "strength": 0.5, "restart": 0.5}, 0.25),
        # from noise all steps run, whatever is said of pictures
        ({"start": "noise", "strength": 0.25, "restart": 0.5}, 1.0),
        ({}, 1.0),
    ],
)
@pytest.mark.parametrize(("solver", "class_name"), [("ddim", "DDIMScheduler"), ("euler", "EulerDiscreteScheduler")])
def test_a_plan_runs_the_steps_that_img2img_runs(
    recipe: dict[str, Any], strength: float, solver: str, class_name: str
) -> None:
    """Little strength is few steps, the last ones: as diffusers' own pipeline counts them."""
    plan = small_plan(steps=8, solver=solver, **recipe)
    expected = img2img_times(class_name, 8, strength)
    assert list(plan.timesteps) == expected == list(plan.solver().timesteps)
    assert plan.num_steps == len(expected) == 8 * strength


@pytest.mark.parametrize("spacing", ["leading", "trailing", "linspace"])
def test_a_plan_lays_its_steps_as_it_is_asked(spacing: str) -> None:
    plan = small_plan(steps=4, solver="ddim", spacing=spacing)
    assert list(plan.timesteps) == img2img_times("DDIMScheduler", 4, 1.0, timestep_spacing=spacing)


def test_groups_have_a_grid_of_their_own() -> None:
    recipe: dict[str, Any] = {"activity": "groups", "difficulty": "gradient", "steps": 4, "group_steps": (1, 2, 4)}
    assert small_plan(**recipe).timesteps == (999, 849, 699, 399)


def test_a_plan_of_every_number_is_that_in_every_version() -> None:
    """Its tiles, regions and steps, written down: a run that began with them goes on with them."""
    plan = small_plan(height=75, width=125, region=64, window=48, overlap=16, steps=3)
    assert (plan.tiles.tops, plan.tiles.lefts) == ((0, 27), (0, 26, 51, 77))
    assert (plan.regions.rows, plan.regions.cols) == (2, 2)
    assert plan.timesteps == (999, 666, 332)
    assert (plan.recipe.model.batch, plan.recipe.guidance.weight, plan.recipe.model.dtype) == (4, 1.0, "float32")
    assert plan.to_json() == json.dumps(json.loads(plan.to_json()), sort_keys=True, indent=1).encode()


def test_what_a_plan_says_of_its_canvas() -> None:
    plan = small_plan(height=75, width=125)
    assert (plan.height_out, plan.width_out) == (300, 500)
    assert plan.source == Box(top=0, left=0, height=75, width=125)
    assert (plan.out_regions.height, plan.out_regions.width, plan.out_regions.side) == (300, 500, 256)
    span = small_plan(value_range=(10.0, 200.0)).value_range
    assert (span.low, span.high, span.dtype) == (10.0, 200.0, "uint8")


@pytest.mark.parametrize(
    ("recipe", "uses", "reads"),
    [({}, True, True), ({"skip": 3.0, "start": "image"}, True, True), ({"start": "image"}, True, True)],
)
def test_when_the_coarse_latent_is_needed(recipe: dict[str, Any], uses: bool, reads: bool) -> None:
    plan = small_plan(**recipe)
    assert (plan.uses_coarse, plan.denoise_reads_coarse) == (uses, reads)


def test_a_model_that_reads_no_coarse_latent_needs_none() -> None:
    blind = dataclasses.replace(analytic.CARD, geometry=altered(analytic.GEOMETRY, coarse=False))
    assert not small_plan(model=blind, start="noise").uses_coarse
    assert small_plan(model=blind, start="image").uses_coarse
    assert not small_plan(model=blind, start="image").denoise_reads_coarse
    assert small_plan(model=blind, start="noise", guide="structure").uses_coarse
    spared = small_plan(model=blind, start="noise", activity="groups", difficulty="gradient")
    assert spared.denoise_reads_coarse


def test_steps_that_see_every_tile() -> None:
    """From the time at which the simple ones begin, or a mask's last share of the steps."""
    recipe: dict[str, Any] = {"difficulty": "gradient", "steps": 4}
    assert small_plan(steps=4).least_steps == 4
    assert small_plan(activity="groups", group_steps=(1, 2, 4), **recipe).least_steps == 1
    assert small_plan(activity="groups", group_steps=(2, 3, 4), **recipe).least_steps == 2
    masked = small_plan(activity="mask", lower_bound=0.3, **recipe)
    assert (masked.least_steps, masked.refined_from) == (2, masked.timesteps[-2])


def test_an_output_depends_on_the_decoder_and_on_the_colours_reach() -> None:
    wide = dataclasses.replace(analytic.CARD, geometry=altered(analytic.GEOMETRY, decoder_halo=5))
    assert small_plan(model=wide).decode_halo == 5
    # 31 output pixels are eight latent pixels of four
    assert small_plan(model=wide, colour="wavelet").decode_halo == 13
    assert small_plan(model=wide, colour="adain").decode_halo == 5


@pytest.mark.parametrize(("near", "tokens"), [(None, 20 * 24), (16, 8 * 8), (44, 20 * 22)])
def test_a_flow_models_levels_are_of_the_tokens_that_it_sees_at_once(near: int | None, tokens: int) -> None:
    """A tile of 40 x 48 latent pixels, in patches of two; or no more of either side than a neighbourhood."""
    plan = small_plan(height=40, width=125)
    assert (plan.tiles.tile_height, plan.tiles.tile_width) == (40, 48)
    assert plan._flow_levels() is None
    flow = dataclasses.replace(
        plan,
        geometry=altered(plan.geometry, patch=2, even_levels=True),
        recipe=plan.recipe.with_settings({"tiles.attend": "neighbourhood", "tiles.attention_window": near})
        if near
        else plan.recipe,
    )
    levels = flow._flow_levels()
    assert levels is not None
    assert (levels.tokens, levels.even) == (tokens, True)


@pytest.mark.parametrize(("start", "steps"), [("image", 5), ("noise", 20)])
def test_strength_and_restart_are_shares_of_a_start_from_a_picture(start: str, steps: int) -> None:
    """0.5 x 0.5 of 20 steps; pure noise takes all of them."""
    plan = small_plan(start=start, strength=0.5, restart=0.5, steps=20)
    assert plan.num_steps == steps
    assert (
        small_plan(start="image", strength=0.25, steps=20).timesteps
        == small_plan(start="image", steps=20).timesteps[-5:]
    )
    assert small_plan(start="image", restart=0.9, steps=20).num_steps == 18


def test_windows_with_prompts_of_their_own() -> None:
    """The tiles; or in a wide tile, windows that half overlap."""
    plan = small_plan()
    assert plan.prompt_tiles == plan.tiles
    assert plan.neighbourhood(1) is None
    assert not plan.has_places
    settings = {"tiles.attend": "neighbourhood", "tiles.attention_window": 16, "prompts.source": "local"}
    near = dataclasses.replace(plan, recipe=plan.recipe.with_settings(settings))
    assert near.prompt_tiles == plan_tiles(75, 125, window=16, stride=8)
    assert near.neighbourhood(1) == Neighbourhood(window=16, key=None)
    assert near.has_places
    shifted = dataclasses.replace(
        near, recipe=near.recipe.with_settings({"tiles.attention_jitter": True, "run.seed": 7})
    )
    assert shifted.neighbourhood(2) == Neighbourhood(window=16, key=(7, 0, 2))
