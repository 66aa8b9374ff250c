"""What FLUX and Stable Diffusion 3 share: one transformer over image and text together, and an AutoencoderKL."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import torch

from pipeline.models.attention.joint import part_places, surround
from pipeline.models.attention.kernels import Options
from pipeline.models.autoencoder.autoencoder import Autoencoder
from pipeline.models.card import LatentGeometry
from pipeline.models.protocol import Conditioning


class JointTransformer(Autoencoder):
    """Predicts a batch at once, or canvas by canvas where each has prompts at places of its own; see Backbone."""

    def __init__(self, geometry: LatentGeometry, vae: Any, transformer: Any, options: Options) -> None:
        super().__init__(vae)
        self._geometry, self._transformer, self._options = geometry, transformer, options

    @property
    def geometry(self) -> LatentGeometry:
        return self._geometry

    @torch.inference_mode()
    def predict(self, latents: torch.Tensor, timestep: torch.Tensor, conditioning: Conditioning) -> torch.Tensor:
        if conditioning.places is None:
            return self._predict_alike(latents, timestep, conditioning)
        pairs = zip(latents, part_places(conditioning), strict=True)
        return torch.cat([self._predict_alike(latent[None], timestep, conditions) for latent, conditions in pairs])

    def _predict_alike(self, latents: torch.Tensor, timestep: torch.Tensor, conditioning: Conditioning) -> torch.Tensor:
        """The velocity of a batch, or of one canvas with prompts at places."""
        assert conditioning.text is not None
        assert conditioning.pooled is not None
        device, dtype, patch = self._transformer.device, self._transformer.dtype, self._geometry.patch
        assert patch is not None
        shape = latents.shape[2] // patch, latents.shape[3] // patch
        text, pooled = (one.to(device, dtype) for one in (conditioning.text, conditioning.pooled))
        with self._options.attending(), surround(self._transformer, conditioning, shape, patch=patch):
            return self._run(latents, timestep, text, pooled, conditioning.guidance).float().cpu()

    @abstractmethod
    def _run(
        self,
        latents: torch.Tensor,
        timestep: torch.Tensor,
        text: torch.Tensor,
        pooled: torch.Tensor,
        guidance: float | None,
    ) -> torch.Tensor:
        """The transformer's answer ``[B, C, h, w]``; ``text`` and ``pooled`` are where it is, in its number format."""
