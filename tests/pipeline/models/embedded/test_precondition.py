"""The embedded model's parameterization against the Gaussian it is derived from."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler

from pipeline.models.embedded.precondition import (
    FLOOR,
    LEAST,
    MOST,
    Known,
    keep_means,
    local_spread,
    precondition,
    unevenness,
)

SPREAD = 0.3


def draw(alpha_squared: float) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Noisy latents, coarse latents and true velocities of many Gaussian pixels, all [n, 1, 1, 1]."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.randn(200_000, 1, 1, 1, generator=generator)
    clean = coarse + SPREAD * torch.randn(coarse.shape, generator=generator)
    noise = torch.randn(coarse.shape, generator=generator)
    alpha, sigma = alpha_squared**0.5, (1 - alpha_squared) ** 0.5
    return alpha * clean + sigma * noise, coarse, alpha * noise - sigma * clean


@pytest.mark.parametrize("alpha_squared", [0.0, 0.1, 0.5, 0.95, 0.999])
def test_what_is_left_is_white(alpha_squared: float) -> None:
    """Of unit variance and unrelated to what the network sees: nothing linear is left to learn."""
    noisy, coarse, velocity = draw(alpha_squared)
    squared = torch.full((len(noisy),), alpha_squared)
    prepared = precondition(noisy, coarse, torch.full((1, 1, 1, 1), SPREAD), squared)
    left = prepared.answer(velocity)
    assert float(left.std()) == pytest.approx(1, abs=0.01)
    for seen in prepared.inputs.unbind(1):
        assert abs(float((left[:, 0] * seen).mean())) < 0.01
    assert float(prepared.inputs[:, 0].std()) == pytest.approx(1, abs=0.01)


def test_answer_is_the_inverse_of_velocity() -> None:
    noisy, coarse, velocity = draw(0.4)
    prepared = precondition(noisy, coarse, torch.full((1, 1, 1, 1), SPREAD), torch.full((len(noisy),), 0.4))
    torch.testing.assert_close(prepared.velocity(prepared.answer(velocity)), velocity)


@pytest.mark.parametrize(("steps", "deviation"), [(1, 0.0), (200, SPREAD)])
def test_a_silent_network_samples_the_gaussian(steps: int, deviation: float) -> None:
    """One step gives the coarse latent itself, many steps the Gaussian round it."""
    scheduler = DDIMScheduler(
        beta_schedule="scaled_linear",
        beta_start=0.00085,
        beta_end=0.012,
        rescale_betas_zero_snr=True,
        timestep_spacing="trailing",
        prediction_type="v_prediction",
        clip_sample=False,
    )
    scheduler.set_timesteps(steps)
    generator = torch.Generator().manual_seed(0)
    coarse = torch.randn(20_000, 1, 1, 1, generator=generator)
    z = torch.randn(coarse.shape, generator=generator)
    for timestep in scheduler.timesteps:
        squared = scheduler.alphas_cumprod[timestep].expand(len(z))
        prepared = precondition(z, coarse, torch.full((1, 1, 1, 1), SPREAD), squared)
        z = scheduler.step(prepared.velocity(torch.zeros_like(z)), timestep, z).prev_sample
    assert float((z - coarse).mean()) == pytest.approx(0, abs=0.01)
    assert float((z - coarse).std()) == pytest.approx(deviation, abs=0.02)


class TestLocalSpread:
    TABLE = torch.tensor([[0.2, 0.3, 0.6], [-1.0, 0.5, 0.5]])

    def test_even_latents_leave_the_floor(self) -> None:
        spread = local_spread(torch.full((1, 2, 24, 24), 0.7), self.TABLE)
        expected = (0.5 * (self.TABLE[:, 0] + self.TABLE[:, 1:].sum(1) * torch.tensor(FLOOR).log())).exp()
        torch.testing.assert_close(spread, expected.clamp(LEAST, MOST).view(1, 2, 1, 1).expand(1, 2, 24, 24))

    def test_it_is_wide_where_the_coarse_latent_is_busy(self) -> None:
        coarse = torch.zeros(1, 2, 40, 40)
        coarse[..., 20:] = torch.randn(1, 2, 40, 20, generator=torch.Generator().manual_seed(0))
        spread = local_spread(coarse, self.TABLE)
        assert spread[..., 28:].min() > 3 * spread[..., :8].max()

    def test_unevenness_of_white_noise_is_its_variance(self) -> None:
        noise = 0.5 * torch.randn(1, 16, 200, 200, generator=torch.Generator().manual_seed(0))
        one, near, far = unevenness(noise)[0].exp().mean((1, 2))
        assert float(one) == pytest.approx(torch.e)
        # a box of n pixels takes 1 / n of the variance away with its mean
        assert float(near) == pytest.approx(0.25 * (1 - 1 / 9), rel=0.05)
        assert float(far) == pytest.approx(0.25 * (1 - 1 / 81), rel=0.05)

    def test_bounds(self) -> None:
        table = torch.tensor([[100.0, 0, 0], [-100.0, 0, 0]])
        spread = local_spread(torch.zeros(1, 2, 16, 16), table)
        assert spread[:, 0].unique().tolist() == [MOST]
        assert spread[:, 1].unique().tolist() == pytest.approx([LEAST])


class TestKeepMeans:
    """By numpy's least squares: of all clean latents with the coarse ones' means, the nearest to the network's own."""

    SQUARED = torch.tensor([0.0, 0.3, 0.9])

    def made(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        generator = torch.Generator().manual_seed(0)
        latents, coarse, velocity = torch.randn(3, 3, 5, 4, 6, generator=generator)
        return latents, coarse, velocity, torch.randn(2, 5, generator=generator)

    def clean(self, latents: torch.Tensor, velocity: torch.Tensor) -> torch.Tensor:
        squared = self.SQUARED.view(-1, 1, 1, 1)
        return squared.sqrt() * latents - (1 - squared).sqrt() * velocity

    def test_the_means_are_those_of_the_coarse_latent(self) -> None:
        latents, coarse, velocity, means = self.made()
        known = Known(latents=latents, coarse=coarse, alphas_cumprod=self.SQUARED)
        found = self.clean(latents, keep_means(velocity, known, means))
        torch.testing.assert_close(
            torch.einsum("kc,bcyx->bkyx", means, found), torch.einsum("kc,bcyx->bkyx", means, coarse)
        )

    def test_nothing_moves_further_than_it_must(self) -> None:
        latents, coarse, velocity, means = self.made()
        known = Known(latents=latents, coarse=coarse, alphas_cumprod=self.SQUARED)
        before, after = self.clean(latents, velocity), self.clean(latents, keep_means(velocity, known, means))
        wanted = (torch.einsum("kc,bcyx->bkyx", means, coarse - before)).permute(1, 0, 2, 3).flatten(1)
        least = np.linalg.lstsq(means.numpy(), wanted.numpy(), rcond=None)[0]
        moved = (after - before).permute(1, 0, 2, 3).flatten(1)
        torch.testing.assert_close(moved, torch.from_numpy(least), rtol=1e-3, atol=1e-4)

    def test_a_picture_that_has_them_stays(self) -> None:
        latents, coarse, _, means = self.made()
        squared = self.SQUARED.view(-1, 1, 1, 1)
        velocity = (squared.sqrt() * latents - coarse) / (1 - squared).sqrt()
        known = Known(latents=latents, coarse=coarse, alphas_cumprod=self.SQUARED)
        torch.testing.assert_close(keep_means(velocity, known, means), velocity, rtol=1e-4, atol=1e-4)
