"""The published code's scales, against its scheduler's own counter."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from diffusers import EulerDiscreteScheduler

from pipeline.plan.facts import Stage
from pipeline.plan.plan import Plan
from pipeline.tasks.compat import sample_scales, tile_scales
from tests.support.tiny import small_plan


def official(stage: int, **recipe: object) -> Plan:
    settings = {"compat": "official", "solver": "euler", "compat_batch": 2, "steps": 4, "skip": 3.0, **recipe}
    plan = small_plan(**settings)  # type: ignore[arg-type]
    return dataclasses.replace(plan, stage=Stage(index=stage, count=2, from_text=True, decodes=True))


@pytest.mark.parametrize("stage", [0, 1])
def test_later_batches_are_scaled_by_the_next_sigma(stage: int) -> None:
    plan = official(stage)
    solver = plan.solver()
    tiles = [plan.tiles.tile(row, col) for row in range(len(plan.tiles.tops)) for col in range(len(plan.tiles.lefts))]
    scheduler = EulerDiscreteScheduler.from_config(solver.scheduler.config)
    scheduler.set_timesteps(plan.num_steps)
    one = torch.ones(1)
    if stage:
        # a stage before leaves its counter at the end, and it is not set back where timesteps are the same
        for t in scheduler.timesteps:
            scheduler.scale_model_input(one, t)
            scheduler.step(one, t, one)
    for step, t in enumerate(scheduler.timesteps):
        expected: list[float] = []
        first = tile_scales(plan, solver, step, tiles)
        dilated = sample_scales(plan, solver, step, 3)
        assert first is not None
        assert dilated is not None
        for start in range(0, len(tiles), 2):
            # each batch of tiles is scaled and then stepped; the counter goes on once, and is set back for the next
            scaled = float(scheduler.scale_model_input(one, t))
            expected += [scaled] * len(tiles[start : start + 2])
            if start == 0:
                scheduler._step_index = step
                scheduler.step(one, t, one)
        torch.testing.assert_close(first, torch.tensor(expected))
        torch.testing.assert_close(dilated, torch.full((3,), float(scheduler.scale_model_input(one, t))))


def test_the_corrected_way_leaves_the_solver_its_own() -> None:
    plan = small_plan(solver="euler")
    assert tile_scales(plan, plan.solver(), 0, [plan.tiles.tile(0, 0)]) is None
    assert sample_scales(plan, plan.solver(), 0, 2) is None
