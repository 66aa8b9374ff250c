"""The published code of DemoFusion and AccDiffusion scales most of its inputs by the wrong sigma; here it can be had.

Its Euler scheduler counts steps by itself. Only the first batch of tiles of a step is scaled by the step's own sigma;
the counter then stands one step on, for all later batches and all dilated samples, and at the first step of a stage
after the first it still stands at the end of the stage before, where sigma is 0.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from pipeline.geometry.tiles import Tile
from pipeline.plan.plan import Plan
from pipeline.sampling.solver import Solver


def tile_scales(plan: Plan, solver: Solver, step: int, tiles: Sequence[Tile]) -> torch.Tensor | None:
    """[B]: what the published code multiplies each tile's latents by; None where a recipe does not ask for it."""
    if plan.recipe.run.compat != "official":
        return None
    cols, size = len(plan.tiles.lefts), plan.recipe.run.compat_batch
    steps = []
    for tile in tiles:
        is_first = (tile.row * cols + tile.col) // size == 0
        left_over = step == 0 and plan.stage.index > 0
        steps.append(step + 1 if not is_first else solver.num_steps if left_over else step)
    return _scales(solver, steps)


def sample_scales(plan: Plan, solver: Solver, step: int, count: int) -> torch.Tensor | None:
    """[count]: likewise of dilated samples."""
    return None if plan.recipe.run.compat != "official" else _scales(solver, [step + 1] * count)


def _scales(solver: Solver, steps: Sequence[int]) -> torch.Tensor:
    sigmas = solver.scheduler.sigmas[[solver.first_step + step for step in steps]]
    return ((sigmas**2 + 1) ** -0.5).float()
