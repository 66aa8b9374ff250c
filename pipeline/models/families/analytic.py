"""The analytic backbone: an exact denoiser without weights, for dry runs, rehearsals of a cluster and tests.

It takes the data to be Gaussian about the coarse latent, with standard deviation ``spread`` a latent pixel, so the
posterior mean is a closed form and every solver must end near the coarse latent. It decodes by repeating pixels.
"""

from __future__ import annotations

import torch

from pipeline.models.attention.kernels import PLAIN, Options
from pipeline.models.autoencoder.geometry import CodecGeometry
from pipeline.models.card import Cost, Defaults, Inputs, LatentGeometry, ModelCard
from pipeline.models.family import Family
from pipeline.models.protocol import Conditioning

GEOMETRY = LatentGeometry(
    channels=4,
    factor=4,
    window=64,
    multiple=1,
    codec=CodecGeometry(encoder_halo=0, decoder_halo=0, window=256),
    cost=Cost(width=8),
    inputs=Inputs(coarse=True),
)
DEFAULTS = Defaults(overlap=16, steps=8, guidance=1.0, batch=4, dtype="float32")

SCHEDULER = {
    "_class_name": "DDIMScheduler",
    "num_train_timesteps": 1000,
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "prediction_type": "epsilon",
    "timestep_spacing": "trailing",
    "clip_sample": False,
    "set_alpha_to_one": True,
}

CARD = ModelCard(
    name="analytic",
    family="analytic",
    location="",
    geometry=GEOMETRY,
    defaults=DEFAULTS,
    scheduler=SCHEDULER,
    fingerprint="analytic-1",
)

SPREAD = 0.1
"""standard deviation of the data about the coarse latent"""


class AnalyticBackbone:
    """Posterior mean for data ~ N(coarse, SPREAD^2) under the scaled-linear variance-preserving schedule."""

    def __init__(self) -> None:
        betas = torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2
        self.alphas = torch.cumprod(1 - betas, dim=0)

    @property
    def geometry(self) -> LatentGeometry:
        return GEOMETRY

    def predict(self, latents: torch.Tensor, timestep: torch.Tensor, conditioning: Conditioning) -> torch.Tensor:
        """eps = (z - a x0) / s with x0 = coarse + gain (z - a coarse); see Backbone.predict."""
        alpha = float(self.alphas[int(timestep)])
        signal, variance = alpha**0.5, 1 - alpha
        coarse = torch.zeros_like(latents) if conditioning.coarse is None else conditioning.coarse
        gain = signal * SPREAD**2 / (alpha * SPREAD**2 + variance)
        clean = coarse + gain * (latents - signal * coarse)
        return (latents - signal * clean) / variance**0.5

    def encode(self, pixels: torch.Tensor) -> torch.Tensor:
        """Area means in [-1, 1], and a fourth channel with the luminance's; see Backbone.encode."""
        means = torch.nn.functional.avg_pool2d(pixels * 2 - 1, GEOMETRY.factor)
        return torch.cat([means, means.mean(dim=1, keepdim=True)], dim=1)

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        factor = GEOMETRY.factor
        return latents[:, :3].add(1).div(2).repeat_interleave(factor, dim=2).repeat_interleave(factor, dim=3)

    def embed(self, prompts: list[str]) -> dict[str, torch.Tensor]:
        return {}


def load(card: ModelCard, *, device: str, dtype: torch.dtype, options: Options = PLAIN) -> AnalyticBackbone:
    """The one that there is: it computes on the CPU, in float32."""
    return AnalyticBackbone()


FAMILY = Family(name="analytic", card=CARD, load=load)
