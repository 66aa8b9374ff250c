"""Stable Diffusion 1.x, 2.x and SDXL: U-Net, autoencoder, text encoders, and ControlNets beside them."""

from __future__ import annotations

import math
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional

from pipeline.imaging.finite import finite
from pipeline.models.attachments.controls import load_control, sum_residuals
from pipeline.models.attachments.image_adapter import Sight, load_sight
from pipeline.models.attachments.lora import merge_all
from pipeline.models.attention.kernels import PLAIN, Options
from pipeline.models.attention.neighbourhood import knows_attention, surround
from pipeline.models.attention.word_maps import record_words, word_cell
from pipeline.models.autoencoder.autoencoder import Autoencoder, codec_cost, codec_geometry
from pipeline.models.card import Cost, Defaults, Inputs, LatentGeometry, ModelCard
from pipeline.models.family import CONTROLS, IMAGE_ADAPTER, Family
from pipeline.models.files.configs import read_config
from pipeline.models.files.demands import square_side
from pipeline.models.files.model_file import Control, ModelFile
from pipeline.models.files.networks import kinds as network_kinds
from pipeline.models.files.networks import read_networks, skeleton
from pipeline.models.files.single_file import read_checkpoint
from pipeline.models.flops import count_autoencoder, count_unet
from pipeline.models.protocol import Conditioning, WordMaps
from pipeline.prompts.tokenizer import read_tokenizer

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


def kinds(folder: Path, index: dict[str, Any]) -> dict[str, Any]:
    """Folder of each part that has weights -> the class of its network."""
    return {part: kind for part, kind in network_kinds(folder).items() if part in weighted_parts(index)}


def read_geometry(folder: Path, index: dict[str, Any]) -> LatentGeometry:
    """Geometry from the configs.

    Raises ValueError, one line, where the parts do not fit each other.
    """
    encoders = [encoder for _, encoder in TEXT_PARTS[: 2 if _is_xl(index) else 1]]
    configs = {part: read_config(folder / part / "config.json", folder.name) for part in ("vae", "unet", *encoders)}
    vae, unet, text = (configs[part] for part in ("vae", "unet", "text_encoder"))
    check_parts(folder, vae, unet, sum(configs[encoder]["hidden_size"] for encoder in encoders))
    window = _window(unet)
    return LatentGeometry(
        **codec_geometry(vae),
        window=window,
        multiple=2 ** (len(unet["block_out_channels"]) - 1),
        cost=Cost(width=unet["block_out_channels"][0], **codec_cost(vae)),
        inputs=Inputs(
            text_tokens=text.get("max_position_embeddings", 77),
            zero_negative=_is_xl(index) and index.get("force_zeros_for_empty_prompt", True),
            embeds_guidance=_embeds_guidance(unet),
            crops=_is_xl(index),
            word_cell=word_cell(unet),
        ),
        attends_nearby=knows_attention(unet),
    )


def read_defaults(folder: Path, index: dict[str, Any]) -> Defaults:
    """A latent consistency model's own numbers, or the others'."""
    unet = read_config(folder / "unet" / "config.json", folder.name)
    embeds = _embeds_guidance(unet)
    return Defaults(
        overlap=_window(unet) // 2,
        steps=4 if embeds else 30,
        guidance=8.5 if embeds else 5.0,
        batch=4,
        dtype="float16" if torch.cuda.is_available() else "float32",
    )


def _window(unet: dict[str, Any]) -> int:
    window = square_side(unet["sample_size"])
    # others are refused by check_demands
    assert window is not None
    return window


def _embeds_guidance(unet: dict[str, Any]) -> bool:
    return bool(unet.get("time_cond_proj_dim"))


def embed_guidance(weights: torch.Tensor, width: int) -> torch.Tensor:
    """[B, width] from weights [B]: sines and cosines of a thousand times each (arXiv 2310.04378, appendix)."""
    half = width // 2
    rates = torch.exp(torch.arange(half) * (-math.log(10000.0) / (half - 1)))
    angles = 1000.0 * weights[:, None] * rates
    return functional.pad(torch.cat([angles.sin(), angles.cos()], 1), (0, width % 2))


def check_parts(folder: Path, vae: dict[str, Any], unet: dict[str, Any], text_width: int) -> None:
    """Refuse a U-Net that does not read what the autoencoder and the text encoders make. Raises ValueError."""
    read, made = unet["in_channels"], vae["latent_channels"]
    if read != made:
        kind = SPECIAL.get(read - made)
        raise ValueError(
            f"model {folder.name}: its U-Net reads {read} channels and its autoencoder makes latents of {made}"
            + (f": it is {kind}; give a plain text-to-image model" if kind else ": the parts are of different models")
        )
    if isinstance(unet["cross_attention_dim"], int) and unet["cross_attention_dim"] != text_width:
        raise ValueError(
            f"model {folder.name}: its U-Net reads text of width {unet['cross_attention_dim']} and its text encoders "
            f"make {text_width}: the parts are of different models"
        )


def load(card: ModelCard, *, device: str, dtype: torch.dtype, options: Options = PLAIN) -> StableDiffusionBackbone:
    folder, file = Path(card.location), card.file or ModelFile(base=card.location)
    if card.checkpoint is None:
        networks = read_networks(folder, dtype, strict=card.strict)
    else:
        networks = read_checkpoint(Path(card.checkpoint), folder, dtype)
    merge_all(networks, card)
    config = read_config(folder / "unet" / "config.json", card.name)
    controls = [(one, load_control(Path(one.model), config, dtype, strict=card.strict)) for one in file.controls]
    sight = None
    if (adapter := file.image_adapter) is not None:
        sight = load_sight(adapter, networks["unet"], device, dtype, strict=card.strict)
    for network in (*networks.values(), *(net for _, net in controls)):
        network.to(device).eval().requires_grad_(False)
    for network in (networks["unet"], *(net for _, net in controls)):
        options.prepare(network)
    pairs = [(tokenizer, encoder) for tokenizer, encoder in TEXT_PARTS if encoder in networks]
    return StableDiffusionBackbone(
        card.geometry,
        Parts(
            vae=networks["vae"],
            unet=networks["unet"],
            text=[(read_tokenizer(folder / tokenizer), networks[part]) for tokenizer, part in pairs],
            controls=controls,
            sight=sight,
        ),
        options,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The loaded networks, on one device."""

    vae: Any
    unet: Any
    text: list[tuple[Any, Any]]
    """each tokenizer with its encoder"""
    controls: list[tuple[Control, Any]]
    """each ControlNet's settings with its network"""
    sight: Sight | None = None
    """the IP-Adapter"""


class StableDiffusionBackbone(Autoencoder):
    """Runs a Stable Diffusion model's parts; see Backbone for shapes and ranges."""

    def __init__(self, geometry: LatentGeometry, parts: Parts, options: Options = PLAIN) -> None:
        super().__init__(parts.vae)
        self._geometry, self._options = geometry, options
        self._controls, self._sight = parts.controls, parts.sight
        self._unet, self._text = parts.unet, parts.text

    @property
    def geometry(self) -> LatentGeometry:
        return self._geometry

    @torch.inference_mode()
    def predict(self, latents: torch.Tensor, timestep: torch.Tensor, conditioning: Conditioning) -> torch.Tensor:
        assert conditioning.text is not None
        device, dtype = self._unet.device, self._unet.dtype
        inputs: dict[str, Any] = {
            "timestep": timestep.to(device),
            "encoder_hidden_states": conditioning.text.to(device, dtype),
            "added_cond_kwargs": None,
        }
        if conditioning.pooled is not None:
            inputs["added_cond_kwargs"] = {
                "text_embeds": conditioning.pooled.to(device, dtype),
                # half precision ends at 65504 pixels
                "time_ids": self._time_ids(latents, conditioning.crops).to(device),
            }
        sample = latents.to(device, dtype)
        networks = [self._unet, *(net for _, net in self._controls)]
        with self._options.attending(), surround(networks, conditioning, sample):
            residuals = sum_residuals(self._controls, conditioning.structure or {}, conditioning.step, sample, **inputs)
            if self._sight is not None:
                images = self._sight.show(conditioning.image, len(sample), sample)
                inputs["added_cond_kwargs"] = {**(inputs["added_cond_kwargs"] or {}), "image_embeds": images}
            if self._geometry.inputs.embeds_guidance and conditioning.guidance is not None:
                weights = torch.full((len(latents),), conditioning.guidance - 1)
                width = self._unet.config.time_cond_proj_dim
                inputs["timestep_cond"] = embed_guidance(weights, width).to(device, dtype)
            answer: torch.Tensor = self._unet(sample, **inputs, **residuals).sample.float().cpu()
        makers = {"the text encoder": conditioning.text, "the image encoder": conditioning.image}
        return finite(answer, "the U-Net", inputs={**makers, "a ControlNet": residuals})

    def recording(self, maps: WordMaps) -> AbstractContextManager[None]:
        return record_words(self._unet, maps)

    @torch.inference_mode()
    def look(self, pixels: torch.Tensor) -> torch.Tensor:
        assert self._sight is not None
        return self._sight.look(pixels)

    def _time_ids(self, latents: torch.Tensor, crops: torch.Tensor | None) -> torch.Tensor:
        """[B, 6]: where nothing else is said, every tile is a whole picture of the native size, not cropped."""
        if crops is not None:
            return crops
        side = self._geometry.window * self._geometry.factor
        return torch.tensor([[side, side, 0, 0, side, side]], dtype=torch.float32).expand(len(latents), 6)

    @torch.inference_mode()
    def embed(self, prompts: list[str]) -> dict[str, torch.Tensor]:
        states, pooled = [], None
        for tokenizer, encoder in self._text:
            tokens = tokenizer(
                prompts,
                padding="max_length",
                max_length=self._geometry.inputs.text_tokens,
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


FAMILY = Family(
    name="stable_diffusion",
    class_names=(
        "StableDiffusionPipeline",
        "StableDiffusionImg2ImgPipeline",
        "LatentConsistencyModelPipeline",
        "LatentConsistencyModelImg2ImgPipeline",
        "StableDiffusionXLPipeline",
        "StableDiffusionXLImg2ImgPipeline",
    ),
    controlled=(
        "StableDiffusionControlNetPipeline",
        "StableDiffusionControlNetImg2ImgPipeline",
        "StableDiffusionXLControlNetPipeline",
        "StableDiffusionXLControlNetImg2ImgPipeline",
    ),
    parts=parts,
    weighted_parts=weighted_parts,
    kinds=kinds,
    read_geometry=read_geometry,
    read_defaults=read_defaults,
    load=load,
    networks=skeleton,
    attaches=frozenset({CONTROLS, IMAGE_ADAPTER}),
    reads_single_files=True,
    is_distilled_by_name=True,
    count_pass=count_unet,
    count_codec=count_autoencoder,
)
