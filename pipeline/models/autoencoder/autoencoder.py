"""diffusers' AutoencoderKL as all families here use it: what a plan must know of it, encoding and decoding."""

from __future__ import annotations

from typing import Any

import torch

from .geometry import CodecGeometry
from .group_norm import GroupNorms
from .norm_order import find_norms
from .receptive_field import decoder_halo, encoder_halo


def codec_geometry(config: dict[str, Any]) -> dict[str, Any]:
    """The fields of LatentGeometry that the autoencoder's config says.

    Halos are those of the convolutions alone (group norms see a whole window). Raises ValueError, one line, for a
    config that is none of an AutoencoderKL.
    """
    norms = find_norms(config)
    return {
        "channels": config["latent_channels"],
        "factor": 2 ** (len(config["block_out_channels"]) - 1),
        "codec": CodecGeometry(
            encoder_halo=encoder_halo(config),
            decoder_halo=decoder_halo(config),
            window=64,
            encoder_norms=len(norms["encoder"].names),
            decoder_norms=len(norms["decoder"].names),
            norm_groups=norms["decoder"].groups,
        ),
    }


def codec_cost(config: dict[str, Any]) -> dict[str, Any]:
    """The fields of Cost that the autoencoder's config says."""
    return {f"{half}_measuring": round(sum(norms.work), 3) for half, norms in find_norms(config).items()}


class Autoencoder:
    """A loaded AutoencoderKL; see Backbone for shapes and ranges."""

    def __init__(self, vae: Any) -> None:
        self._vae = vae
        order = find_norms(vae.config)
        self.norms = {half: GroupNorms(getattr(vae, half), order[half].names) for half in ("encoder", "decoder")}

    @torch.inference_mode()
    def encode(self, pixels: torch.Tensor) -> torch.Tensor:
        config = self._vae.config
        mode = self._vae.encode((pixels * 2 - 1).to(self._vae.device)).latent_dist.mode().float().cpu()
        return (mode - (config.shift_factor or 0.0)) * config.scaling_factor

    @torch.inference_mode()
    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        config = self._vae.config
        plain = latents / config.scaling_factor + (config.shift_factor or 0.0)
        return self._vae.decode(plain.to(self._vae.device)).sample.float().cpu().add(1).div(2)
