"""The model without weights, against its closed forms."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from pipeline.models.families.analytic import CARD, GEOMETRY, SPREAD, AnalyticBackbone
from pipeline.models.protocol import Conditioning
from pipeline.sampling.solver import build_solver


@pytest.mark.parametrize("time", [1, 250, 999])
def test_noise_by_the_posterior_mean(time: int) -> None:
    """x_0 ~ N(c, s^2) and z = a x_0 + b e: E[x_0 | z] = c + a s^2 (z - a c) / (a^2 s^2 + b^2), a latent pixel each."""
    betas = np.linspace(0.00085**0.5, 0.012**0.5, 1000) ** 2
    squared = np.cumprod(1 - betas)[time]
    a, b = squared**0.5, (1 - squared) ** 0.5
    rng = np.random.default_rng(0)
    z, coarse = rng.normal(size=(2, 1, 4, 3, 5))
    mean = coarse + a * SPREAD**2 * (z - a * coarse) / (a**2 * SPREAD**2 + b**2)
    found = AnalyticBackbone().predict(
        torch.from_numpy(z), torch.tensor(time), Conditioning(coarse=torch.from_numpy(coarse))
    )
    np.testing.assert_allclose(found.numpy(), (z - a * mean) / b, rtol=1e-6, atol=1e-9)
    blind = AnalyticBackbone().predict(torch.from_numpy(z), torch.tensor(time), Conditioning())
    alone = a * SPREAD**2 * z / (a**2 * SPREAD**2 + b**2)
    np.testing.assert_allclose(blind.numpy(), (z - a * alone) / b, rtol=1e-6, atol=1e-9)


def test_every_sampler_ends_near_the_coarse_latent() -> None:
    coarse, noise = torch.randn(2, 4, 6, 9, generator=torch.Generator().manual_seed(0))
    solver = build_solver("ddim", CARD.scheduler, steps=50)
    z, history = solver.start(noise, None), ()
    for step in range(50):
        given = Conditioning(coarse=coarse[None])
        prediction = AnalyticBackbone().predict(solver.scale_input(z, step)[None], solver.timestep(step), given)[0]
        z, history = solver.step(step, z, prediction, history)
    assert 0.3 * SPREAD < float((z - coarse).std()) < 1.1 * SPREAD


def test_latents_are_area_means() -> None:
    pixels = torch.rand(1, 3, 8, 12, generator=torch.Generator().manual_seed(0))
    found = AnalyticBackbone().encode(pixels)
    means = (pixels.view(3, 2, 4, 3, 4).mean((2, 4)) * 2 - 1)[None]
    torch.testing.assert_close(found[:, :3], means)
    torch.testing.assert_close(found[:, 3], means.mean(1))
    assert found.shape == (1, GEOMETRY.channels, 2, 3)


def test_pixels_are_latents_repeated() -> None:
    latents = torch.randn(1, 4, 2, 3, generator=torch.Generator().manual_seed(0))
    found = AnalyticBackbone().decode(latents)
    assert found.shape == (1, 3, 8, 12)
    for y in range(8):
        for x in range(12):
            torch.testing.assert_close(found[0, :, y, x], (latents[0, :3, y // 4, x // 4] + 1) / 2)


def test_it_reads_no_words() -> None:
    assert AnalyticBackbone().embed(["a"]) == {}
    assert CARD.geometry.inputs.text_tokens is None
