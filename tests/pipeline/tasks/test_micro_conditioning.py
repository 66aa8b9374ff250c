"""What SDXL is told of tiles, in runs of one stage and of several."""

from __future__ import annotations

import dataclasses

from pipeline.models.families import analytic
from pipeline.models.protocol import ModelCard
from pipeline.plan.plan import Plan
from pipeline.plan.presets import parse_recipe
from pipeline.plan.stages import bind_series
from pipeline.tasks.micro_conditioning import told_crops
from tests.support.tiny import DEVICE

MODEL: ModelCard = dataclasses.replace(
    analytic.CARD,
    geometry=dataclasses.replace(
        analytic.GEOMETRY, window=32, multiple=8, text_tokens=8, reads_crops=True, attends_nearby=True, word_cell=4
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
