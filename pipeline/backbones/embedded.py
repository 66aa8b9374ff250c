"""The embedded super-resolver: an AutoencoderDC and a UNet2DModel that reads the coarse latent beside the noisy one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderDC, UNet2DModel

from ..backbone import Conditioning, LatentGeometry


def parts(index: dict[str, Any]) -> list[str]:
    """Configs that must be there, relative to the model's folder."""
    return ["model_index.json", "vae/config.json", "unet/config.json", "scheduler/scheduler_config.json"]


def weighted_parts(index: dict[str, Any]) -> list[str]:
    return ["vae", "unet"]


def read_geometry(folder: Path, index: dict[str, Any]) -> LatentGeometry:
    """Geometry from the configs; the model's own table in model_index.json is called ``gigatile``."""
    own = index["gigatile"]
    vae = json.loads((folder / "vae" / "config.json").read_text(encoding="utf-8"))
    unet = json.loads((folder / "unet" / "config.json").read_text(encoding="utf-8"))
    return LatentGeometry(
        channels=vae["latent_channels"],
        factor=2 ** (len(vae["encoder_block_out_channels"]) - 1),
        window=own["window"],
        overlap=own["overlap"],
        multiple=own["multiple"],
        encoder_halo=own["encoder_halo"],
        decoder_halo=own["decoder_halo"],
        codec_window=128,
        reads_coarse=True,
        restorer_halo=None,
        text_tokens=None,
        native_scale=own["native_scale"],
        steps=own["steps"],
        guidance=own["guidance"],
        batch=1,
        dtype=own["dtype"],
        parameters=0,
        width=unet["block_out_channels"][0],
    )


def load(folder: Path, geometry: LatentGeometry, *, device: str, dtype: torch.dtype) -> EmbeddedBackbone:
    own = json.loads((folder / "model_index.json").read_text(encoding="utf-8"))["gigatile"]
    vae = AutoencoderDC.from_pretrained(folder / "vae", variant="fp16", torch_dtype=dtype)
    unet = UNet2DModel.from_pretrained(folder / "unet", variant="fp16", torch_dtype=dtype)
    return EmbeddedBackbone(
        geometry,
        vae.to(device, memory_format=torch.channels_last).eval().requires_grad_(False),
        unet.to(device, memory_format=torch.channels_last).eval().requires_grad_(False),
        mean=torch.tensor(own["latents_mean"]).view(1, -1, 1, 1),
        std=torch.tensor(own["latents_std"]).view(1, -1, 1, 1),
    )


class EmbeddedBackbone:
    """Runs the two networks; latents cross the border normalised to zero mean and unit variance a channel."""

    def __init__(self, geometry: LatentGeometry, vae: Any, unet: Any, *, mean: torch.Tensor, std: torch.Tensor) -> None:
        self._geometry = geometry
        self._vae, self._unet = vae, unet
        self._mean, self._std = mean, std

    @property
    def geometry(self) -> LatentGeometry:
        return self._geometry

    def _send(self, tensor: torch.Tensor) -> torch.Tensor:
        return tensor.to(self._unet.device, self._unet.dtype, memory_format=torch.channels_last)

    @torch.inference_mode()
    def predict(self, latents: torch.Tensor, timestep: torch.Tensor, conditioning: Conditioning) -> torch.Tensor:
        assert conditioning.coarse is not None
        seen = self._send(torch.cat([latents, conditioning.coarse], dim=1))
        return self._unet(seen, timestep).sample.float().cpu().contiguous()

    @torch.inference_mode()
    def encode(self, pixels: torch.Tensor) -> torch.Tensor:
        latents = self._vae.encode(self._send(pixels * 2 - 1)).latent.float().cpu()
        return ((latents - self._mean) / self._std).contiguous()

    @torch.inference_mode()
    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        pixels = self._vae.decode(self._send(latents * self._std + self._mean)).sample
        return pixels.float().cpu().add(1).div(2).contiguous()

    def embed(self, prompts: list[str]) -> dict[str, torch.Tensor]:
        return {}
