"""A model family: models without a network, whose latents are means of colours and are decoded by bilinear enlargement.

A model is a folder with model_index.json, whose table ``gigatile`` gives ``factor`` (output pixels a latent pixel) and
``spread`` (deviation of the data about the coarse latent), and with scheduler/scheduler_config.json.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from diffusers import DDIMScheduler
from torch.nn import functional

from pipeline.models.attention.kernels import PLAIN, Options
from pipeline.models.autoencoder.geometry import CodecGeometry
from pipeline.models.card import Cost, Defaults, Inputs, LatentGeometry, ModelCard
from pipeline.models.family import Family
from pipeline.models.protocol import Backbone, Conditioning
from storage.documents import read_json


class BilinearBackbone:
    """The exact denoiser of data ~ N(coarse, spread^2); see pipeline.models.protocol.Backbone."""

    def __init__(self, geometry: LatentGeometry, spread: float, alphas: torch.Tensor) -> None:
        """``alphas``: the product of 1 - beta up to every timestep."""
        self.geometry, self._spread, self._alphas = geometry, spread, alphas

    def predict(self, latents: torch.Tensor, timestep: torch.Tensor, conditioning: Conditioning) -> torch.Tensor:
        """The noise e of z = a x_0 + s e, with the posterior mean for x_0."""
        assert conditioning.coarse is not None
        alpha = self._alphas[timestep.long()]
        signal, noise, coarse = alpha.sqrt(), (1 - alpha).sqrt(), conditioning.coarse
        gain = signal * self._spread**2 / (alpha * self._spread**2 + 1 - alpha)
        clean = coarse + gain * (latents - signal * coarse)
        return (latents - signal * clean) / noise

    def encode(self, pixels: torch.Tensor) -> torch.Tensor:
        return functional.avg_pool2d(pixels * 2 - 1, self.geometry.factor)

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        large = functional.interpolate(latents, scale_factor=float(self.geometry.factor), mode="bilinear")
        return large.add(1).div(2)

    def embed(self, prompts: list[str]) -> dict[str, torch.Tensor]:
        return {}


def parts(index: dict[str, Any]) -> list[str]:
    return ["model_index.json", "scheduler/scheduler_config.json"]


def read_geometry(folder: Path, index: dict[str, Any]) -> LatentGeometry:
    return LatentGeometry(
        channels=3,
        factor=index["gigatile"]["factor"],
        window=16,
        multiple=1,
        # a latent pixel of its neighbours is all that a pixel is made of
        codec=CodecGeometry(encoder_halo=0, decoder_halo=1, window=256),
        cost=Cost(width=3),
        inputs=Inputs(coarse=True),
    )


def read_defaults(folder: Path, index: dict[str, Any]) -> Defaults:
    return Defaults(overlap=4, steps=4, guidance=1.0, batch=4, dtype="float32")


def load(card: ModelCard, *, device: str, dtype: torch.dtype, options: Options = PLAIN) -> Backbone:
    own = read_json(Path(card.location) / "model_index.json")["gigatile"]
    scheduler: Any = DDIMScheduler.from_config(card.scheduler)
    return BilinearBackbone(card.geometry, own["spread"], scheduler.alphas_cumprod)


FAMILY = Family(
    name="bilinear",
    class_names=("BilinearPipeline",),
    parts=parts,
    read_geometry=read_geometry,
    read_defaults=read_defaults,
    load=load,
)
