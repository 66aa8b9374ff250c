"""Tiny attachments with random weights in the real on-disk formats, and model files that name them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from diffusers import ControlNetModel, UNet2DConditionModel

from tests.tiny import write_stable_diffusion

SMALL_WIDTHS = (4, 8, 8, 8)
"""of the pictures' embedding: three halvings, as the real one has"""


def tiny_control(unet: UNet2DConditionModel, seed: int, widths: tuple[int, ...] = SMALL_WIDTHS) -> ControlNetModel:
    """A ControlNet that fits the U-Net; what a fresh one has at zero is random, so that it says something."""
    torch.manual_seed(seed)
    net = ControlNetModel.from_unet(unet, conditioning_embedding_out_channels=widths, load_weights_from_unet=False)
    for parameter in (*net.controlnet_down_blocks.parameters(), *net.controlnet_mid_block.parameters()):
        torch.nn.init.normal_(parameter, std=0.3)
    torch.nn.init.normal_(net.controlnet_cond_embedding.conv_out.weight, std=0.3)
    return net.eval()


def write_control(folder: Path, base: Path, seed: int, widths: tuple[int, ...] = SMALL_WIDTHS) -> Path:
    """A ControlNet's folder for the base in ``base``."""
    unet = UNet2DConditionModel.from_pretrained(base / "unet")
    tiny_control(unet, seed, widths).save_pretrained(folder)
    return folder


def write_composite(folder: Path, **kind: Any) -> Path:
    """A model file over a tiny base (see write_stable_diffusion for ``kind``) with two ControlNets; gives its path."""
    base = write_stable_diffusion(folder / "base", **kind)
    write_control(folder / "canny", base, seed=11)
    write_control(folder / "tile", base, seed=12)
    path = folder / "model.toml"
    path.write_text(
        'base = "base"\n'
        '[[controls]]\nmodel = "canny"\nsees = "edges"\nscale = 0.8\n'
        '[[controls]]\nmodel = "tile"\nsees = "image"\nscale = 0.5\n'
    )
    return path


def low_rank(weight: torch.Tensor, rank: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Random ``down`` and ``up`` for a weight: [rank, in (, y, x)] and [out, rank (, 1, 1)]."""
    down = torch.randn(rank, *weight.shape[1:]) / 4
    up = torch.randn(len(weight), rank) / 4
    return down, up.reshape(*up.shape, *[1 for _ in weight.shape[2:]])
