"""How much the embedded model computes; see pipeline.models.flops."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from diffusers import AutoencoderDC

from pipeline.models.attention.neighbourhood import surround
from pipeline.models.family import Pass
from pipeline.models.flops import count, count_autoencoder, count_unet, nearby, without_weights, zeros

from .generator import GENERATOR, Generator


def count_denoiser(folder: Path, tokens: int, one: Pass) -> int:
    """FLOPs of one pass; one ControlNet reads all kinds of structure. See Family.count_pass."""
    flops = count_unet(folder, tokens, dataclasses.replace(one, shows=min(1, one.shows)))
    imagines = one.imagines and (folder / GENERATOR).is_dir()
    return flops + (_count_generator(folder, tokens, one) if imagines else 0)


def _count_generator(folder: Path, tokens: int, one: Pass) -> int:
    generator = without_weights(folder, generator=Generator)
    unet = generator.unet
    seen = zeros(1, unet.config.in_channels, one.height, one.width)
    text = zeros(1, tokens, unet.config.cross_attention_dim)
    with surround([unet], nearby(one), seen):
        return count(lambda: generator(seen, zeros(1), text, zeros(1)))


def count_latents(folder: Path, part: str, height: int, width: int) -> int:
    """FLOPs of the autoencoder; see Family.count_codec."""
    return count_autoencoder(folder, part, height, width, kind=AutoencoderDC, widths="encoder_block_out_channels")
