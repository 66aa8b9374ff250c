"""How much the embedded model computes; see pipeline.models.flops."""

from __future__ import annotations

import dataclasses
import functools
from pathlib import Path
from typing import Any

from diffusers import AutoencoderDC

from pipeline.models.attention.neighbourhood import surround
from pipeline.models.family import Pass
from pipeline.models.flops import count, count_autoencoder, count_unet, nearby, without_weights, zeros

from .detail import DETAIL, DetailNetwork
from .generator import GENERATOR, Generator
from .restoration import RestorationModule


def count_denoiser(folder: Path, tokens: int, forward: Pass) -> int:
    """FLOPs of one pass; one ControlNet reads all kinds of structure. See Family.count_pass."""
    flops = count_unet(folder, tokens, dataclasses.replace(forward, shows=min(1, forward.shows)))
    imagines = forward.imagines and (folder / GENERATOR).is_dir()
    return flops + (_count_generator(folder, tokens, forward) if imagines else 0)


def _count_generator(folder: Path, tokens: int, forward: Pass) -> int:
    generator = without_weights(folder, generator=Generator)
    unet = generator.unet
    inputs = zeros(1, unet.config.in_channels, forward.height, forward.width)
    text = zeros(1, tokens, unet.config.cross_attention_dim)
    with surround([unet], nearby(forward), inputs):
        return count(lambda: generator(inputs, zeros(1), text, zeros(1)))


def count_latents(folder: Path, half: str, height: int, width: int) -> int:
    """FLOPs of the autoencoder; see Family.count_codec."""
    return count_autoencoder(folder, half, height, width, kind=AutoencoderDC, widths="encoder_block_out_channels")


def count_restored(folder: Path, height: int, width: int, draws: bool) -> int:
    """FLOPs of the restoration module, and of the detail network where it ``draws``; see Family.count_restoration."""
    networks: dict[str, Any] = {"restorer": RestorationModule} | ({DETAIL: DetailNetwork} if draws else {})
    low = zeros(1, 3, height, width)
    return sum(
        count(functools.partial(without_weights(folder, **{part: kind}), low)) for part, kind in networks.items()
    )
