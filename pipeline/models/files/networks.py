"""A Stable Diffusion's networks: with their weights, or without them, to check attachments against."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from accelerate import init_empty_weights
from diffusers import AutoencoderKL, UNet2DConditionModel
from torch import nn
from transformers import CLIPTextModel, CLIPTextModelWithProjection

from .hearing import hearing
from .weights import read_whole, variant

ENCODERS: dict[str, Any] = {"text_encoder": CLIPTextModel, "text_encoder_2": CLIPTextModelWithProjection}
"""folder of a text encoder -> its class; SDXL has both"""


def text_encoders(folder: Path) -> list[str]:
    return [part for part in ENCODERS if (folder / part / "config.json").is_file()]


def bare(folder: Path, kinds: dict[str, Any]) -> dict[str, nn.Module]:
    """Networks on the meta device, from their configs alone; ``kinds``: folder of each -> its class."""
    with hearing(), init_empty_weights():
        return {
            part: kind.from_config(kind.load_config(folder / part))
            if hasattr(kind, "load_config")
            else kind(kind.config_class.from_pretrained(folder / part, trust_remote_code=False))
            for part, kind in kinds.items()
        }


def kinds(folder: Path) -> dict[str, Any]:
    """Folder of each part that has weights -> the class of its network."""
    encoders = {part: ENCODERS[part] for part in text_encoders(folder)}
    return {"vae": AutoencoderKL, "unet": UNet2DConditionModel, **encoders}


def skeleton(folder: Path) -> dict[str, nn.Module]:
    """vae, unet, text_encoder and, of SDXL, text_encoder_2, on the meta device, from the configs alone."""
    return bare(folder, kinds(folder))


def read_networks(folder: Path, dtype: torch.dtype, *, strict: bool = True) -> dict[str, nn.Module]:
    """vae, unet and the text encoders of a folder in diffusers' format, on the CPU.

    Raises ValueError, one line, where weights are missing, or, where ``strict`` holds, are not read.
    """
    # the autoencoders of Stable Diffusion overflow in half precision: grey or black tiles
    formats: dict[str, dict[str, Any]] = {"vae": {"torch_dtype": torch.float32}, "unet": {"torch_dtype": dtype}}
    return {
        part: read_network(kind, folder / part, strict=strict, **formats.get(part, {"dtype": dtype}))
        for part, kind in kinds(folder).items()
    }


def read_network(kind: Any, folder: Path, *, strict: bool = True, **options: Any) -> nn.Module:
    """A network of diffusers' or transformers' class ``kind``, on the CPU; errors as read_networks."""
    network: nn.Module = read_whole(kind, folder, f"model {folder}", strict=strict, variant=variant(folder), **options)
    return network
