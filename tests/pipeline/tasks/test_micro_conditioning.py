"""What SDXL is told of tiles, in runs of one stage and of several."""

from __future__ import annotations

import dataclasses

from pipeline.models.card import ModelCard
from pipeline.models.families import analytic
from pipeline.plan.plan import Plan
from pipeline.plan.presets import parse_recipe
from pipeline.plan.stages import bind_series
from pipeline.tasks.micro_conditioning import WHOLE, crop_numbers, told_crops
from storage.box import Box
from tests.support.geometries import altered
from tests.support.tiny import DEVICE, small_plan

MODEL: ModelCard = dataclasses.replace(
    analytic.CARD,
    geometry=altered(
        analytic.GEOMETRY, window=32, multiple=8, text_tokens=8, crops=True, attends_nearby=True, word_cell=4
    ),
)
"""a card only: nothing here runs. Its native size is 128 pixels"""


def plans_of(preset: str, height: int, width: int) -> tuple[Plan, ...]:
    recipe = parse_recipe({"preset": preset, "prompt": "a", "region": 32, "low_band": 0.125}, where="test")
    return bind_series(recipe, height=height, width=width, model=MODEL, device=DEVICE, versions={})


def told(plan: Plan) -> list[list[float]] | None:
    found = told_crops(plan, [plan.tiles.tile(0, 0).box, plan.tiles.tile(-1, -1).box])
    return None if found is None else found.tolist()


def test_scalediff_tells_the_first_stages_size_at_every_stage() -> None:
    """Its authors: original = target = the base's size, crop (0, 0)."""
    first, *later = plans_of("scalediff", 256, 1024)
    base = [64.0, 256.0, 0.0, 0.0, 64.0, 256.0]
    assert later
    assert [told(plan) for plan in (first, *later)] == [[base, base]] * (1 + len(later))


def test_demofusion_tells_the_crop_of_the_last_one() -> None:
    *_, last = plans_of("demofusion", 256, 256)
    found = told(last)
    assert found is not None
    assert found[0] == [256, 256, 0, 0, 256, 256]
    assert found[1][2:4] != [0, 0]


def test_one_stage_is_a_picture_of_the_native_size() -> None:
    """Nothing is said: the model says its own."""
    (only,) = plans_of("scalediff", 128, 128)
    assert told(only) is None


def test_a_tile_of_an_image_is_told_its_corner_in_output_pixels() -> None:
    """Height, width, top, left, height, width; of an output of 300 x 500, four pixels a latent pixel."""
    plan = small_plan(height=75, width=125, model=MODEL, window=32, overlap=8, region=32, crops="tile")
    boxes = [Box(top=3, left=10, height=32, width=32), Box(top=40, left=0, height=32, width=32), WHOLE]
    found = told_crops(plan, boxes)
    assert found is not None
    assert str(found.dtype) == "torch.float32"
    assert found.tolist() == [
        [300, 500, 12, 40, 300, 500],
        [300, 500, 160, 0, 300, 500],
        [300, 500, 0, 0, 300, 500],
    ]
    assert crop_numbers(plan, boxes).tolist() == found.tolist()


def test_the_published_code_counts_from_a_padded_canvas() -> None:
    settings = {"compat": "official", "solver": "euler", "skip": 3.0, "jitter": "step", "crops": "tile"}
    plan = small_plan(height=75, width=125, model=MODEL, window=32, overlap=16, region=32, **settings)
    assert plan.jitter == 4
    found = crop_numbers(plan, [Box(top=3, left=10, height=32, width=32)])
    assert found.tolist() == [[300, 500, 28, 56, 300, 500]]
