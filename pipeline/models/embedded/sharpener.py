"""The sharpener: from a coarse latent to the detail that a sharp teacher would add to its picture.

The coarse latent is where the faithful picture lies, and the denoiser samples round it. From the second step on it
samples round the sharpened one instead, so that one step stays faithful and more steps are sharp. The detail is a
function of the picture, not of the noise: edges come out whole, where a few steps of sampling leave specks beside them.
It was taught by pictures that agree with the faithful one up to the frequencies that the input can hold
(training/lessons.py). Every layer is local, so tiles agree inside their overlap.
"""

from __future__ import annotations

import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from torch import nn

from .restoration import ResidualBlock

SHARPENER = "sharpener"
"""its folder in the model, which a model may lack"""


class Sharpener(ModelMixin, ConfigMixin):
    """Residual blocks at the latent's resolution."""

    config_name: str = "config.json"  # type: ignore[assignment]

    @register_to_config
    def __init__(self, channels: int = 16, width: int = 64, num_blocks: int = 10) -> None:
        super().__init__()
        self.conv_in = nn.Conv2d(channels, width, 3, padding=1)
        self.blocks = nn.ModuleList([ResidualBlock(width) for _ in range(num_blocks)])
        self.conv_mid = nn.Conv2d(width, width, 3, padding=1)
        self.conv_out = nn.Conv2d(width, channels, 3, padding=1)
        with torch.no_grad():
            self.conv_out.weight.mul_(0.1)
            self.conv_out.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, coarse: torch.Tensor) -> torch.Tensor:
        """The detail [b, c, y, x] of a normalised coarse latent of that shape, float32."""
        first = features = self.conv_in(coarse)
        for block in self.blocks:
            features = block(features)
        detail: torch.Tensor = self.conv_out(self.conv_mid(features) + first)
        return detail.float()
