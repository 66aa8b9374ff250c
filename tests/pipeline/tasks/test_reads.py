"""Tasks ask for nothing but what Reads says: a run whose arrays lie in memory, with no store at all."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
import torch

from pipeline.geometry.blend import tile_weight
from pipeline.geometry.noise import keyed_noise
from pipeline.geometry.tiles import Tile
from pipeline.models.families.analytic import CARD, AnalyticBackbone
from pipeline.models.protocol import Conditioning
from pipeline.plan.plan import Plan
from pipeline.tasks.contribution import Contribution
from pipeline.tasks.denoise import Denoiser, Gather, PromptTable
from pipeline.tasks.merge import Merger
from pipeline.tasks.replica import Replica
from storage.box import Box
from tests.support.tiny import small_plan


@dataclass(frozen=True, slots=True, kw_only=True)
class InMemory:
    """Whole arrays, by step."""

    plan: Plan
    latents: dict[int, np.ndarray] = field(default_factory=dict)
    remembered: dict[int, np.ndarray] = field(default_factory=dict)

    def at(self, step: int, box: Box) -> np.ndarray:
        return self.latents[step][:, *box.slices]

    def history(self, step: int, box: Box) -> np.ndarray:
        return self.remembered[step][:, *box.slices]

    def noise(self, box: Box, draw: int) -> np.ndarray:
        return keyed_noise(box, channels=4, seed=self.plan.recipe.run.seed, stage=0, draw=draw)

    def coarse(self, box: Box) -> np.ndarray:
        return np.zeros((4, *box.shape), dtype=np.float32)

    def difficulty(self, box: Box) -> np.ndarray:
        raise AssertionError("a plan without difficulty reads none")


class Uneven(AnalyticBackbone):
    """Predicts more to the right and below of each tile, so that it matters which tiles a place lies in."""

    def predict(self, latents: torch.Tensor, timestep: torch.Tensor, conditioning: Conditioning) -> torch.Tensor:
        rows, cols = torch.arange(latents.shape[2])[:, None], torch.arange(latents.shape[3])
        return super().predict(latents, timestep, conditioning) + 0.01 * rows - 0.02 * cols


def nothing_given(step: int, region: int, owned: list[Tile], seen: Box, coarse: np.ndarray | None) -> Gather:
    return lambda _tiles: (Conditioning(), PromptTable())


def run(plan: Plan) -> np.ndarray:
    """Latents after the last step, by the tasks themselves, one after another."""
    backbone, solver, reads = Uneven(), plan.solver(), InMemory(plan=plan)
    replica = Replica(backbone, lambda _model: backbone)  # type: ignore[arg-type, return-value]
    denoiser = Denoiser(plan=plan, solver=solver, reads=reads, replica=replica, gather_of=nothing_given)
    merger = Merger(plan=plan, solver=solver, reads=reads, backbone=backbone)
    canvas, regions = plan.regions.canvas, range(plan.regions.num_regions)
    reads.latents[0] = solver.start(torch.from_numpy(reads.noise(canvas, draw=0)), None).numpy()
    for step in range(plan.num_steps):
        reads.latents[step + 1] = np.full_like(reads.latents[step], np.nan)
        reads.remembered[step + 1] = np.full((4 * solver.num_history, *canvas.shape), np.nan, dtype=np.float32)
        made: dict[int, list[Contribution]] = {region: [] for region in regions}
        for region in regions:
            if plan.tiles.owned_by(plan.regions.box(region)):
                for one in denoiser.denoise(step, region):
                    made[plan.regions.owner(one.box.top, one.box.left)].append(one)
        for region in regions:
            merged, box = merger.merge(step, region, made[region]), plan.regions.box(region)
            reads.latents[step + 1][:, *box.slices] = merged.latents
            assert (merged.history is None) == (not solver.num_history or step + 1 == plan.num_steps)
            if merged.history is not None:
                reads.remembered[step + 1][:, *box.slices] = merged.history
    assert replica.forwards >= plan.tiles.num_tiles * plan.num_steps
    return reads.latents[plan.num_steps]


def loop(plan: Plan) -> np.ndarray:
    """One array, a loop over steps and one over tiles."""
    backbone, solver, canvas = Uneven(), plan.solver(), plan.regions.canvas
    weight = torch.from_numpy(tile_weight(plan.recipe.tiles.blend, plan.tiles.tile_height, plan.tiles.tile_width))

    def noise(draw: int) -> torch.Tensor:
        return torch.from_numpy(keyed_noise(canvas, channels=4, seed=plan.recipe.run.seed, stage=0, draw=draw))

    z, history = solver.start(noise(0), None), ()
    for step in range(plan.num_steps):
        total, weights = torch.zeros_like(z), torch.zeros(canvas.shape)
        for top in plan.tiles.tops:
            for left in plan.tiles.lefts:
                ys, xs = slice(top, top + plan.tiles.tile_height), slice(left, left + plan.tiles.tile_width)
                scaled = solver.scale_input(z[None, :, ys, xs], step)
                total[:, ys, xs] += weight * backbone.predict(scaled, solver.timestep(step), Conditioning())[0]
                weights[ys, xs] += weight
        drawn = noise(step + 1) if solver.is_stochastic else None
        z, history = solver.step(step, z, total / weights, history, drawn)
    return z.numpy()


@pytest.mark.parametrize("solver", ["ddim", "unipc", "euler-ancestral"])
def test_a_run_in_memory_is_the_plain_loop(solver: str) -> None:
    settings: dict[str, Any] = {"region": 16, "window": 16, "overlap": 6, "steps": 4, "solver": solver, "seed": 5}
    plan = small_plan(height=20, width=44, model=CARD, **settings)
    np.testing.assert_allclose(run(plan), loop(plan), rtol=1e-4, atol=1e-4)
