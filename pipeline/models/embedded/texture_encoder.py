"""The embedded texture encoder: a short description of a picture's texture, for texture prompts.

What the tagger's convolutions measure of a picture (means, deviations and quantiles of every feature's energy) is
standardised and projected on its principal components, so that pictures of one texture lie close together whatever
their size. It stands where CLIP's image encoder stands for an IP-Adapter (arXiv 2308.06721).
"""

from __future__ import annotations

import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from torch import nn

CLIP = 4.0
"""deviations beyond which a measure counts no more: textures that training never saw stay in bounds"""


class TextureEncoder(ModelMixin, ConfigMixin):
    """A standardisation and a projection, fitted in closed form; it learns nothing by descent."""

    config_name: str = "config.json"  # type: ignore[assignment]

    @register_to_config
    def __init__(self, features: int, width: int = 64) -> None:
        super().__init__()
        self.mean = nn.Parameter(torch.zeros(features), requires_grad=False)
        self.rate = nn.Parameter(torch.ones(features), requires_grad=False)
        self.components = nn.Parameter(torch.zeros(width, features), requires_grad=False)

    def forward(self, statistics: torch.Tensor) -> torch.Tensor:
        """[b, features] of Tagger.statistics -> [b, width], each about unit variance."""
        return ((statistics - self.mean) * self.rate).clamp(-CLIP, CLIP) @ self.components.mT

    def fit(self, statistics: torch.Tensor) -> None:
        """Set the projection from many pictures' measures [n, features]: components by the square root of variance.

        Full whitening would make the faintest component as loud as the first, none would leave only the first.
        """
        self.mean.copy_(statistics.mean(0))
        self.rate.copy_(1 / statistics.std(0).clamp_min(1e-4))
        scaled = ((statistics - self.mean) * self.rate).clamp(-CLIP, CLIP).double()
        _, values, axes = torch.linalg.svd(scaled - scaled.mean(0), full_matrices=False)
        width = self.config["width"]
        weights = axes[:width] * (values[:width, None] / len(scaled) ** 0.5).clamp_min(1e-3) ** -0.5
        # the sign of a component is arbitrary: fixed, so that a fit can be repeated
        signs = weights.gather(1, weights.abs().argmax(1, keepdim=True)).sign()
        self.components[: len(weights)] = (weights * signs).float()
