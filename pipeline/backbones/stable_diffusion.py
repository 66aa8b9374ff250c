"""Stable Diffusion 1.x, 2.x and SDXL, from any folder in diffusers' format: U-Net, autoencoder and text encoders."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from transformers import AutoTokenizer, CLIPTextModel, CLIPTextModelWithProjection

from ..backbone import Conditioning, LatentGeometry
from .group_norm import GroupNorms
from .norm_order import find_norms
from .receptive_field import decoder_halo, encoder_halo

TEXT_PARTS = (("tokenizer", "text_encoder"), ("tokenizer_2", "text_encoder_2"))
"""folders of each tokenizer and its encoder; SDXL has both pairs"""


def _is_xl(index: dict[str, Any]) -> bool:
    return "text_encoder_2" in index


def parts(index: dict[str, Any]) -> list[str]:
    """Configs that must be there, relative to the model's folder."""
    names = ["model_index.json", "vae/config.json", "unet/config.json", "scheduler/scheduler_config.json"]
    for tokenizer, encoder in TEXT_PARTS[: 2 if _is_xl(index) else 1]:
        names += [f"{tokenizer}/tokenizer_config.json", f"{encoder}/config.json"]
    return names


def weighted_parts(index: dict[str, Any]) -> list[str]:
    return ["vae", "unet", *(encoder for _, encoder in TEXT_PARTS[: 2 if _is_xl(index) else 1])]


def read_geometry(folder: Path, index: dict[str, Any]) -> LatentGeometry:
    """Geometry from the configs; halos are those of the convolutions alone (group norms see a whole window)."""
    vae = json.loads((folder / "vae" / "config.json").read_text(encoding="utf-8"))
    unet = json.loads((folder / "unet" / "config.json").read_text(encoding="utf-8"))
    text = json.loads((folder / "text_encoder" / "config.json").read_text(encoding="utf-8"))
    window = unet["sample_size"]
    norms = find_norms(vae)
    return LatentGeometry(
        channels=vae["latent_channels"],
        factor=2 ** (len(vae["block_out_channels"]) - 1),
        window=window,
        overlap=window // 2,
        multiple=2 ** (len(unet["block_out_channels"]) - 1),
        encoder_halo=encoder_halo(vae),
        decoder_halo=decoder_halo(vae),
        codec_window=64,
        reads_coarse=False,
        structure_channels=None,
        restorer_halo=None,
        text_tokens=text.get("max_position_embeddings", 77),
        native_scale=None,
        steps=30,
        guidance=5.0,
        batch=4,
        dtype="float16" if torch.cuda.is_available() else "float32",
        parameters=0,
        width=unet["block_out_channels"][0],
        encoder_norms=len(norms["encoder"].names),
        decoder_norms=len(norms["decoder"].names),
        norm_groups=norms["decoder"].groups,
        encoder_measuring=round(sum(norms["encoder"].work), 3),
        decoder_measuring=round(sum(norms["decoder"].work), 3),
    )


def load(folder: Path, geometry: LatentGeometry, *, device: str, dtype: torch.dtype) -> StableDiffusionBackbone:
    from .loading import variant

    index = json.loads((folder / "model_index.json").read_text(encoding="utf-8"))
    unet = UNet2DConditionModel.from_pretrained(folder / "unet", variant=variant(folder / "unet"), torch_dtype=dtype)
    # the autoencoders of Stable Diffusion overflow in half precision: grey or black tiles
    vae = AutoencoderKL.from_pretrained(folder / "vae", variant=variant(folder / "vae"), torch_dtype=torch.float32)
    pairs = []
    for tokenizer, encoder in TEXT_PARTS[: 2 if _is_xl(index) else 1]:
        kind: Any = CLIPTextModelWithProjection if encoder == "text_encoder_2" else CLIPTextModel
        model = kind.from_pretrained(folder / encoder, variant=variant(folder / encoder), dtype=dtype)
        pairs.append((AutoTokenizer.from_pretrained(folder / tokenizer), model.to(device).eval()))
    return StableDiffusionBackbone(
        geometry,
        vae.to(device).eval().requires_grad_(False),
        unet.to(device).eval().requires_grad_(False),
        pairs,
    )


class StableDiffusionBackbone:
    """Runs a Stable Diffusion model's parts; see Backbone for shapes and ranges."""

    def __init__(
        self,
        geometry: LatentGeometry,
        vae: Any,
        unet: Any,
        text: list[tuple[Any, Any]],
    ) -> None:
        """``text`` pairs each tokenizer with its encoder."""
        self._geometry = geometry
        self._vae, self._unet, self._text = vae, unet, text
        order = find_norms(vae.config)
        self.norms = {part: GroupNorms(getattr(vae, part), order[part].names) for part in ("encoder", "decoder")}

    @property
    def geometry(self) -> LatentGeometry:
        return self._geometry

    @torch.inference_mode()
    def predict(self, latents: torch.Tensor, timestep: torch.Tensor, conditioning: Conditioning) -> torch.Tensor:
        assert conditioning.text is not None
        device, dtype = self._unet.device, self._unet.dtype
        added = None
        if conditioning.pooled is not None:
            added = {
                "text_embeds": conditioning.pooled.to(device, dtype),
                "time_ids": self._time_ids(len(latents)).to(device, dtype),
            }
        prediction = self._unet(
            latents.to(device, dtype),
            timestep.to(device),
            encoder_hidden_states=conditioning.text.to(device, dtype),
            added_cond_kwargs=added,
        ).sample
        return prediction.float().cpu()

    def _time_ids(self, batch: int) -> torch.Tensor:
        """SDXL's size conditioning: every tile is a whole picture of the native size, not cropped."""
        side = self._geometry.window * self._geometry.factor
        return torch.tensor([[side, side, 0, 0, side, side]], dtype=torch.float32).expand(batch, 6)

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

    @torch.inference_mode()
    def embed(self, prompts: list[str]) -> dict[str, torch.Tensor]:
        states, pooled = [], None
        for tokenizer, encoder in self._text:
            tokens = tokenizer(
                prompts,
                padding="max_length",
                max_length=self._geometry.text_tokens,
                truncation=True,
                return_tensors="pt",
            ).input_ids
            # SDXL reads the last layer but one of both encoders, the others the last
            output = encoder(tokens.to(self._unet.device), output_hidden_states=len(self._text) > 1)
            if len(self._text) == 1:
                states.append(output.last_hidden_state)
            else:
                states.append(output.hidden_states[-2])
                pooled = output[0]
        table = {"text": torch.cat([state.float().cpu() for state in states], dim=-1)}
        if pooled is not None:
            table["pooled"] = pooled.float().cpu()
        return table
