"""Halos against the footprint of one point in diffusers' own networks, stripped to their convolutions."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from diffusers import AutoencoderKL
from torch import nn

from pipeline.models.autoencoder.receptive_field import decoder_halo, encoder_halo

SHAPES = [(1, 1), (2, 1), (2, 3), (3, 1), (3, 2), (4, 1), (4, 2)]
"""levels, and residual blocks a level"""
EXACT = torch.float64


def stripped(levels: int, layers: int) -> Any:
    """One channel, every weight one: what is reached is positive, whatever lies between."""
    vae = AutoencoderKL(
        in_channels=1,
        out_channels=1,
        latent_channels=1,
        block_out_channels=(1,) * levels,
        down_block_types=("DownEncoderBlock2D",) * levels,
        up_block_types=("UpDecoderBlock2D",) * levels,
        norm_num_groups=1,
        layers_per_block=layers,
        mid_block_add_attention=False,
    )
    for module in list(vae.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.GroupNorm | nn.SiLU):
                setattr(module, name, nn.Identity())
    for parameter in vae.parameters():
        nn.init.constant_(parameter, 0.0 if parameter.ndim == 1 else 0.2)
    return vae.to(EXACT).eval()


def reached(answer: torch.Tensor) -> tuple[int, int]:
    """First and last column that is not zero."""
    columns = answer[0, 0].abs().sum(0).nonzero().flatten()
    return int(columns[0]), int(columns[-1])


@pytest.mark.parametrize(("levels", "layers"), SHAPES)
@torch.no_grad()
def test_the_decoder(levels: int, layers: int) -> None:
    """A latent pixel reaches no window that is further away, and reaches one that is as near as the halo."""
    vae, factor = stripped(levels, layers), 2 ** (levels - 1)
    halo = decoder_halo(dict(vae.config))
    width = 2 * halo + 9
    place = width // 2
    latents = torch.zeros(1, 1, 1, width, dtype=EXACT)
    latents[..., place] = 1
    first, last = reached(vae.decoder(latents))
    assert max(place - first // factor, last // factor - place) == halo


@pytest.mark.parametrize(("levels", "layers"), SHAPES)
@torch.no_grad()
def test_the_encoder(levels: int, layers: int) -> None:
    """The same of pixels and latents: the halo is how far from its own latent pixel a pixel is felt."""
    vae, factor = stripped(levels, layers), 2 ** (levels - 1)
    halo = encoder_halo(dict(vae.config))
    width = 2 * halo + 9
    furthest = 0
    for offset in range(factor):
        place = width // 2 * factor + offset
        pixels = torch.zeros(1, 1, factor, width * factor, dtype=EXACT)
        pixels[..., place] = 1
        first, last = reached(vae.encoder(pixels)[:, :1])
        furthest = max(furthest, place // factor - first, last - place // factor)
    assert furthest <= halo
    assert halo - furthest <= 1  # a whole pixel of margin at most


def test_layers_are_one_where_nothing_is_said() -> None:
    """As diffusers' own default."""
    told = {"block_out_channels": [4, 4], "layers_per_block": 1}
    silent = {"block_out_channels": [4, 4]}
    assert (encoder_halo(silent), decoder_halo(silent)) == (encoder_halo(told), decoder_halo(told))


def test_those_of_published_autoencoders() -> None:
    """Stable Diffusion's and Flux's: four levels of two blocks, by hand. 1 + 6 = 7, (7 + 1) / 2 = 4, 4 + 6 = 10 and so
    on for the decoder."""
    config = {"block_out_channels": [128, 256, 512, 512], "layers_per_block": 2}
    reach = 1
    for _ in range(3):
        reach = -(-(reach + 6 + 1) // 2)
    assert decoder_halo(config) == reach + 6 + 4 + 1 == 18
    assert encoder_halo(config) == 14
