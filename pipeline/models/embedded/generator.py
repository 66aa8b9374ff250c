"""Pictures from words alone: what the embedded model's denoiser needs a coarse latent for, a small U-Net imagines.

The first three channels of the latent are the colours of 4 x 4 pixels, and with them nearly all that a coarse latent
says. From the noisy latent and the prompt the U-Net predicts their velocity (arXiv 2202.00512), so the clean colours
that it expects at that time; a convolution, fitted in closed form, makes all channels of a coarse latent of them. The
denoiser then does what it was trained for: it adds what is finer. Words act through the U-Net's cross-attention, which
was trained to look where each word holds. It reads embeddings of its own, a row a word: the text encoder's states
hardly tell apart the words that the denoiser has no use for.
"""

from __future__ import annotations

from typing import Any

import torch
from diffusers import UNet2DConditionModel
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from torch import nn
from torch.nn import functional

GENERATOR = "generator"
"""folder of the part, which a model may lack"""
COLOURS = 3
"""channels of the latent that hold the colours"""
REACH = 5
"""latent pixels a side from whose colours a latent pixel's other channels are guessed"""


class Generator(ModelMixin, ConfigMixin):
    """Expects the coarse latent of a noisy one."""

    config_name: str = "config.json"  # type: ignore[assignment]

    @register_to_config
    def __init__(
        self, channels: int = 16, widths: tuple[int, ...] = (32, 64, 96), vocabulary: int = 27, text_width: int = 96
    ) -> None:
        """``vocabulary``: tokens that the tokenizer knows."""
        super().__init__()
        self.words: Any = nn.Embedding(vocabulary, text_width)
        plain = len(widths) - 1
        unet: Any = UNet2DConditionModel(
            sample_size=128,
            in_channels=channels,
            out_channels=COLOURS,
            block_out_channels=tuple(widths),
            layers_per_block=1,
            down_block_types=("DownBlock2D",) * plain + ("CrossAttnDownBlock2D",),
            up_block_types=("CrossAttnUpBlock2D",) + ("UpBlock2D",) * plain,
            norm_num_groups=16,
            attention_head_dim=[max(1, width // 32) for width in widths],
            cross_attention_dim=text_width,
        )
        with torch.no_grad():
            unet.conv_out.weight.zero_()
        self.unet: Any = unet
        self.lift: Any = nn.Conv2d(COLOURS, channels, REACH)

    def velocity(self, latents: torch.Tensor, timestep: torch.Tensor, text: torch.Tensor) -> torch.Tensor:
        """The velocity of the colours, [B, 3, h, w], of noisy latents [B, C, h, w] under words [B, T, D]."""
        answer: torch.Tensor = self.unet(latents, timestep, encoder_hidden_states=text).sample
        return answer

    def forward(
        self, latents: torch.Tensor, timestep: torch.Tensor, text: torch.Tensor, alphas_cumprod: torch.Tensor
    ) -> torch.Tensor:
        """The coarse latent [B, C, h, w] float32 that is to be expected of noisy ``latents`` of that shape.

        ``alphas_cumprod``: alpha^2 of each picture's timestep, [B]. Only the U-Net runs in the weights' number format.
        """
        squared = alphas_cumprod.view(-1, 1, 1, 1).to(latents)
        inputs = latents.to(self.dtype, memory_format=torch.channels_last)
        velocity = self.velocity(inputs, timestep, text.to(self.dtype)).float()
        colours = squared.sqrt() * latents[:, :COLOURS] - (1 - squared).sqrt() * velocity
        margin = REACH // 2
        padded = functional.pad(colours, (margin, margin, margin, margin), mode="replicate")
        return functional.conv2d(padded, self.lift.weight.float(), self.lift.bias.float())
