"""A Stable Diffusion's networks without their weights, from the configs alone: what attachments are checked against."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from accelerate import init_empty_weights
from diffusers import UNet2DConditionModel
from torch import nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

ENCODERS: dict[str, Any] = {"text_encoder": CLIPTextModel, "text_encoder_2": CLIPTextModelWithProjection}
"""folder of a text encoder -> its class"""


def skeleton(folder: Path) -> dict[str, nn.Module]:
    """unet, text_encoder and, of SDXL, text_encoder_2, on the meta device."""
    with init_empty_weights():
        networks: dict[str, nn.Module] = {
            "unet": UNet2DConditionModel.from_config(UNet2DConditionModel.load_config(folder / "unet"))
        }
        for part, kind in ENCODERS.items():
            if (folder / part / "config.json").is_file():
                networks[part] = kind(CLIPTextConfig.from_pretrained(folder / part))
    return networks
