"""The published code's scales, against its scheduler's own counter."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from diffusers import EulerDiscreteScheduler

from pipeline.compat import sample_scales, tile_scales
from pipeline.plan import Plan, Stage
from tests.tiny import small_plan


def official(stage: int, **recipe: object) -> Plan:
    settings = {"compat": "official", "solver": "euler", "compat_batch": 2, "steps": 4, **recipe}
    plan = small_plan(**settings)  # type: ignore[arg-type]
    return dataclasses.replace(plan, stage=Stage(index=stage, count=2, from_text=True, decodes=True))


@pytest.mark.parametrize("stage", [0, 1])
def test_later_batches_are_scaled_by_the_next_sigma(stage: int) -> None:
    plan = official(stage)
    solver = plan.solver()
    tiles = [plan.tiles.tile(row, col) for row in range(len(plan.tiles.tops)) for col in range(len(plan.tiles.lefts))]
    scheduler = EulerDiscreteScheduler.from_config(solver.scheduler.config)
    sigmas = solver.scheduler.sigmas
    for step in range(plan.num_steps):
        # its counter: the step's own for the first batch, one on for the others; left at the end by a stage before
        counts = [step if index < 2 else step + 1 for index in range(len(tiles))]
        if stage and step == 0:
            counts[:2] = [plan.num_steps] * 2
        found = tile_scales(plan, solver, step, tiles)
        assert found is not None
        expected = [1 / (float(sigmas[count]) ** 2 + 1) ** 0.5 for count in counts]
        torch.testing.assert_close(found, torch.tensor(expected))
        dilated = sample_scales(plan, solver, step, 3)
        assert dilated is not None
        torch.testing.assert_close(dilated, torch.full((3,), expected[-1]))
    assert sigmas[-1] == 0
    scheduler.set_timesteps(plan.num_steps)
    assert len(scheduler.sigmas) == len(sigmas)


def test_the_corrected_way_leaves_the_solver_its_own() -> None:
    plan = small_plan(solver="euler")
    assert tile_scales(plan, plan.solver(), 0, [plan.tiles.tile(0, 0)]) is None
    assert sample_scales(plan, plan.solver(), 0, 2) is None
