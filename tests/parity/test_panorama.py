"""Averaging predictions and stepping once gives what diffusers' per-view MultiDiffusion gives, solver by solver."""

from __future__ import annotations

from typing import Any

import diffusers
import numpy as np
import pytest
import torch

from pipeline.geometry.blend import weight_sum
from pipeline.geometry.noise import keyed_noise
from pipeline.geometry.tiles import Tile, plan_tiles
from pipeline.models.families import analytic
from pipeline.models.protocol import Conditioning
from pipeline.plan.facts import DenoiseSettings
from pipeline.sampling.solver import Solver, build_solver
from pipeline.sampling.solvers import find_solver
from pipeline.tasks.combine import average
from pipeline.tasks.contribution import Contribution
from pipeline.tasks.denoise import PromptTable, denoise_region, predict_tiles, reach
from pipeline.tasks.merge import merge_region
from storage.box import Box, RegionGrid
from tests.support.tiny import tiny_scheduler, tiny_unet, tiny_vae

STEPS, GUIDANCE = 3, 5.0
HEIGHT, WIDTH, WINDOW, STRIDE = 72, 80, 64, 8
"""latent pixels; (L - 64) is a multiple of 8, so Panorama's grid covers this canvas too"""


class UnetBackbone:
    """The U-Net alone, as Backbone.predict."""

    geometry = analytic.CARD.geometry

    def __init__(self) -> None:
        self.unet = tiny_unet()

    @torch.inference_mode()
    def predict(self, latents: torch.Tensor, timestep: torch.Tensor, conditioning: Conditioning) -> torch.Tensor:
        return self.unet(latents, timestep, encoder_hidden_states=conditioning.text).sample


def panorama(solver_name: str, noise: torch.Tensor, text: torch.Tensor) -> np.ndarray:
    row = find_solver(solver_name)
    scheduler = row.kind.from_config({**tiny_scheduler().config, **row.settings})
    pipe = diffusers.StableDiffusionPanoramaPipeline(
        vae=tiny_vae(),
        text_encoder=None,
        tokenizer=None,
        unet=tiny_unet(),
        scheduler=scheduler,
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipe.set_progress_bar_config(disable=True)
    options: dict[str, Any] = {"output_type": "latent", "num_inference_steps": STEPS, "guidance_scale": GUIDANCE}
    result = pipe(
        height=HEIGHT * 8,
        width=WIDTH * 8,
        latents=noise[None].clone(),
        prompt_embeds=text[1:2],
        negative_prompt_embeds=text[0:1],
        **options,
    )
    return result.images[0].numpy()


def ours(solver: Solver, noise: torch.Tensor, text: torch.Tensor, region_side: int) -> np.ndarray:
    """A plain serial loop over steps and regions."""
    backbone, prompts = UnetBackbone(), PromptTable(embeddings={"text": text})
    regions = RegionGrid(height=HEIGHT, width=WIDTH, side=region_side)
    tiles = plan_tiles(HEIGHT, WIDTH, window=WINDOW, stride=STRIDE)
    settings = DenoiseSettings(tiles=tiles, regions=regions, batch=4, guidance=GUIDANCE, blend="uniform")
    z = solver.start(noise, None).numpy()
    history: dict[int, np.ndarray | None] = {}
    for step in range(STEPS):
        made: dict[int, list[Contribution]] = {r: [] for r in range(regions.num_regions)}
        for region in range(regions.num_regions):
            seen = reach(tiles, regions, region)
            if seen is None:
                continue

            def predict(batch: list[Tile], latents: torch.Tensor, step: int = step) -> torch.Tensor:
                return predict_tiles(backbone, solver, step, latents, Conditioning(), prompts, GUIDANCE)  # type: ignore[arg-type]

            owned = tiles.owned_by(regions.box(region))
            for target, part in denoise_region(settings, owned, seen, z[:, *seen.slices], predict).items():
                made[target].append(part)
        z_next = np.empty_like(z)
        for region in range(regions.num_regions):
            box = regions.box(region)
            weights = weight_sum("uniform", tiles, regions.canvas, box)
            prediction = average(made[region], box, weights, channels=4)
            z_next[:, *box.slices], history[region] = merge_region(
                solver, step, z[:, *box.slices], prediction, history.get(region), None
            )
        z = z_next
    return z


@pytest.mark.parametrize("name", ["ddim", "unipc"])
def test_equals_panorama(name: str) -> None:
    noise = torch.from_numpy(
        keyed_noise(Box(top=0, left=0, height=HEIGHT, width=WIDTH), channels=4, seed=3, stage=0, draw=0)
    )
    text = torch.randn(2, 7, 16, generator=torch.Generator().manual_seed(5))
    expected = panorama(name, noise, text)
    solver = build_solver(name, dict(tiny_scheduler().config), steps=STEPS)
    found = ours(solver, noise, text, region_side=64)
    assert np.abs(found - expected).max() / np.abs(expected).max() < 1e-5
