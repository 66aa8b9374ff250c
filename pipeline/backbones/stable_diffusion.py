"""Stable Diffusion 1.x, 2.x and SDXL: U-Net, autoencoder, text encoders, and ControlNets beside them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from transformers import AutoTokenizer

from ..backbone import Conditioning, LatentGeometry, ModelCard
from .controls import load_control, sum_residuals
from .group_norm import GroupNorms
from .hub import locate
from .lora import lora_file, merge_changes, read_changes
from .model_file import Control, ModelFile
from .norm_order import find_norms
from .receptive_field import decoder_halo, encoder_halo
from .skeleton import ENCODERS
from .weights import variant

TEXT_PARTS = (("tokenizer", "text_encoder"), ("tokenizer_2", "text_encoder_2"))
"""folders of each tokenizer and its encoder; SDXL has both pairs"""
SPECIAL = {5: "an inpainting model", 4: "an instruct-pix2pix model", 3: "the x4 upscaler", 1: "a depth model"}
"""what a U-Net is for that reads so many channels beside the latents"""


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
    """Geometry from the configs; halos are those of the convolutions alone (group norms see a whole window).

    Raises ValueError, one line, where the parts do not fit each other.
    """
    encoders = [encoder for _, encoder in TEXT_PARTS[: 2 if _is_xl(index) else 1]]
    configs = {
        part: json.loads((folder / part / "config.json").read_text(encoding="utf-8"))
        for part in ("vae", "unet", *encoders)
    }
    vae, unet, text = (configs[part] for part in ("vae", "unet", "text_encoder"))
    check_parts(folder, vae, unet, sum(configs[encoder]["hidden_size"] for encoder in encoders))
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
        structures=(),
        structure="none",
        reads_crops=_is_xl(index),
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


def check_parts(folder: Path, vae: dict[str, Any], unet: dict[str, Any], text_width: int) -> None:
    """Refuse a U-Net that does not read what the autoencoder and the text encoders make. Raises ValueError."""
    read, made = unet["in_channels"], vae["latent_channels"]
    if read != made:
        kind = SPECIAL.get(read - made)
        raise ValueError(
            f"model {folder.name}: its U-Net reads {read} channels and its autoencoder makes latents of {made}"
            + (f": it is {kind}; give a plain text-to-image model" if kind else ": the parts are of different models")
        )
    if unet["cross_attention_dim"] != text_width:
        raise ValueError(
            f"model {folder.name}: its U-Net reads text of width {unet['cross_attention_dim']} and its text encoders "
            f"make {text_width}: the parts are of different models"
        )


def load(card: ModelCard, *, device: str, dtype: torch.dtype) -> StableDiffusionBackbone:
    folder, file = Path(card.location), card.file or ModelFile(base=card.location)
    index = json.loads((folder / "model_index.json").read_text(encoding="utf-8"))
    unet = UNet2DConditionModel.from_pretrained(folder / "unet", variant=variant(folder / "unet"), torch_dtype=dtype)
    # the autoencoders of Stable Diffusion overflow in half precision: grey or black tiles
    vae = AutoencoderKL.from_pretrained(folder / "vae", variant=variant(folder / "vae"), torch_dtype=torch.float32)
    text, networks = [], {"unet": unet}
    for tokenizer, encoder in TEXT_PARTS[: 2 if _is_xl(index) else 1]:
        model = ENCODERS[encoder].from_pretrained(folder / encoder, variant=variant(folder / encoder), dtype=dtype)
        text.append((AutoTokenizer.from_pretrained(folder / tokenizer), model))
        networks[encoder] = model
    for lora in file.loras:
        path = lora_file(locate(lora.model, card.name), card.name, allow_pickle=file.allow_pickle)
        merge_changes(networks, read_changes(path, networks, card.name), lora.scale)
    config = json.loads((folder / "unet" / "config.json").read_text(encoding="utf-8"))
    controls = [(control, load_control(locate(control.model, card.name), config, dtype)) for control in file.controls]
    for network in (vae, unet, *(model for _, model in text), *(net for _, net in controls)):
        network.to(device).eval().requires_grad_(False)
    return StableDiffusionBackbone(card.geometry, Parts(vae=vae, unet=unet, text=text, controls=controls))


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The loaded networks, on one device."""

    vae: Any
    unet: Any
    text: list[tuple[Any, Any]]
    """each tokenizer with its encoder"""
    controls: list[tuple[Control, Any]]
    """each ControlNet's settings with its network"""


class StableDiffusionBackbone:
    """Runs a Stable Diffusion model's parts; see Backbone for shapes and ranges."""

    def __init__(self, geometry: LatentGeometry, parts: Parts) -> None:
        self._geometry, self._controls = geometry, parts.controls
        self._vae, self._unet, self._text = parts.vae, parts.unet, parts.text
        order = find_norms(parts.vae.config)
        self.norms = {part: GroupNorms(getattr(parts.vae, part), order[part].names) for part in ("encoder", "decoder")}

    @property
    def geometry(self) -> LatentGeometry:
        return self._geometry

    @torch.inference_mode()
    def predict(self, latents: torch.Tensor, timestep: torch.Tensor, conditioning: Conditioning) -> torch.Tensor:
        assert conditioning.text is not None
        device, dtype = self._unet.device, self._unet.dtype
        given: dict[str, Any] = {
            "timestep": timestep.to(device),
            "encoder_hidden_states": conditioning.text.to(device, dtype),
            "added_cond_kwargs": None,
        }
        if conditioning.pooled is not None:
            given["added_cond_kwargs"] = {
                "text_embeds": conditioning.pooled.to(device, dtype),
                "time_ids": self._time_ids(latents, conditioning.crops).to(device, dtype),
            }
        seen = latents.to(device, dtype)
        residuals = sum_residuals(self._controls, conditioning.structure or {}, seen, **given)
        return self._unet(seen, **given, **residuals).sample.float().cpu()

    def _time_ids(self, latents: torch.Tensor, crops: torch.Tensor | None) -> torch.Tensor:
        """[B, 6]: where nothing else is said, every tile is a whole picture of the native size, not cropped."""
        if crops is not None:
            return crops
        side = self._geometry.window * self._geometry.factor
        return torch.tensor([[side, side, 0, 0, side, side]], dtype=torch.float32).expand(len(latents), 6)

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
