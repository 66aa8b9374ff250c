"""FLUX.1, dev and schnell: a transformer over tokens of 2 x 2 latent pixels, CLIP and T5, flow matching.

Shape legend beside Backbone's: N image tokens of a tile (h / 2 * w / 2), T text tokens.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, FluxTransformer2DModel

from pipeline.models.attachments.lora import merge_all
from pipeline.models.attention.kernels import PLAIN, Options
from pipeline.models.autoencoder.autoencoder import codec_cost, codec_geometry
from pipeline.models.card import LIVE_FEATURES, Cost, Defaults, Inputs, LatentGeometry, ModelCard
from pipeline.models.family import Family, Pass
from pipeline.models.files.configs import read_config
from pipeline.models.files.networks import bare, read_network
from pipeline.models.flops import META, count_autoencoder, count_joint, without_weights, zeros

from .joint_transformer import JointTransformer
from .text_encoder import KINDS, TextEncoder, config_files, folders, num_tokens, read_text_encoder

PATCH = 2
"""latent pixels a side of a token"""
NATIVE_TOKENS = 4096
"""tokens of a picture of the native size, 1024 x 1024 pixels, where the scheduler's config does not say"""
TEXT_TOKENS = {True: 512, False: 256}
"""tokens of T5 that dev, whose guidance is embedded, and schnell read"""
CLIP_TOKENS = 77
SPECIAL = {128: "one of the Control models (depth, canny)", 384: "the Fill model, for inpainting"}
"""what a transformer is for that reads so many channels"""


def parts(index: dict[str, Any]) -> list[str]:
    """Configs that must be there, relative to the model's folder."""
    names = ["model_index.json", "vae/config.json", "transformer/config.json", "scheduler/scheduler_config.json"]
    return [*names, *config_files(1), *config_files(2)]


def weighted_parts(index: dict[str, Any]) -> list[str]:
    return ["vae", "transformer", "text_encoder", "text_encoder_2"]


def kinds(folder: Path, index: dict[str, Any]) -> dict[str, Any]:
    """Folder of each part that has weights -> the class of its network."""
    encoders = {folders(number)[1]: KINDS[kind] for number, kind in ((1, "clip"), (2, "sequence"))}
    return {"vae": AutoencoderKL, "transformer": FluxTransformer2DModel, **encoders}


def read_geometry(folder: Path, index: dict[str, Any]) -> LatentGeometry:
    """Geometry from the configs. Raises ValueError, one line, where the parts do not fit each other."""
    configs = {part: read_config(folder / part / "config.json", folder.name) for part in weighted_parts(index)}
    check_parts(folder, configs)
    transformer = configs["transformer"]
    embeds = bool(transformer["guidance_embeds"])
    return LatentGeometry(
        **codec_geometry(configs["vae"]),
        window=_window(folder),
        multiple=PATCH,
        patch=PATCH,
        even_levels=True,
        attends_nearby=True,
        inputs=Inputs(text_tokens=num_tokens(folder, 2, TEXT_TOKENS[embeds]), embeds_guidance=embeds),
        cost=Cost(
            width=transformer["num_attention_heads"] * transformer["attention_head_dim"] // PATCH**2,
            live_features=LIVE_FEATURES,
            **codec_cost(configs["vae"]),
        ),
    )


def read_defaults(folder: Path, index: dict[str, Any]) -> Defaults:
    """Their authors' own numbers: schnell is distilled to few steps without guidance."""
    embeds = read_config(folder / "transformer" / "config.json", folder.name)["guidance_embeds"]
    return Defaults(
        overlap=_window(folder) // 2,
        steps=28 if embeds else 4,
        guidance=3.5 if embeds else 1.0,
        batch=1,
        dtype="bfloat16" if torch.cuda.is_available() else "float32",
    )


def _window(folder: Path) -> int:
    # no config tells the native size, but the shift of the noise levels is tied to it
    scheduler = read_config(folder / "scheduler" / "scheduler_config.json", folder.name)
    return math.isqrt(scheduler.get("max_image_seq_len", NATIVE_TOKENS)) * PATCH


def check_parts(folder: Path, configs: dict[str, dict[str, Any]]) -> None:
    """Refuse a transformer that does not read what the other parts make. Raises ValueError."""
    transformer, made = configs["transformer"], configs["vae"]["latent_channels"] * PATCH**2
    if transformer["in_channels"] != made:
        kind = SPECIAL.get(transformer["in_channels"])
        raise ValueError(
            f"model {folder.name}: its transformer reads tokens of {transformer['in_channels']} channels and its "
            f"autoencoder makes {made}"
            + (f": it is {kind}; give a plain text-to-image model" if kind else ": the parts are of different models")
        )
    for field, part, width in (
        ("joint_attention_dim", "text_encoder_2", "d_model"),
        ("pooled_projection_dim", "text_encoder", "hidden_size"),
    ):
        if transformer[field] != configs[part][width]:
            raise ValueError(
                f"model {folder.name}: its transformer reads text of width {transformer[field]} and its {part} makes "
                f"{configs[part][width]}: the parts are of different models"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The loaded networks, on one device."""

    vae: Any
    transformer: Any
    clip: TextEncoder
    sequence: TextEncoder


def skeleton(folder: Path) -> dict[str, Any]:
    """The networks that can be changed, on the meta device, from their configs alone."""
    return bare(folder, {part: kind for part, kind in kinds(folder, {}).items() if part != "vae"})


def load(card: ModelCard, *, device: str, dtype: torch.dtype, options: Options = PLAIN) -> FluxBackbone:
    folder = Path(card.location)
    assert card.geometry.inputs.text_tokens is not None
    loaded = Parts(
        vae=read_network(AutoencoderKL, folder / "vae", strict=card.strict, torch_dtype=torch.float32),
        transformer=read_network(FluxTransformer2DModel, folder / "transformer", strict=card.strict, torch_dtype=dtype),
        clip=read_text_encoder(folder, 1, "clip", num_tokens(folder, 1, CLIP_TOKENS), dtype, strict=card.strict),
        sequence=read_text_encoder(folder, 2, "sequence", card.geometry.inputs.text_tokens, dtype, strict=card.strict),
    )
    changed = {
        "transformer": loaded.transformer,
        "text_encoder": loaded.clip.network,
        "text_encoder_2": loaded.sequence.network,
    }
    merge_all(changed, card)
    for network in (loaded.vae, loaded.transformer, loaded.clip.network, loaded.sequence.network):
        network.to(device).eval().requires_grad_(False)
    options.prepare(loaded.transformer)
    return FluxBackbone(card.geometry, loaded, options, card.defaults.guidance)


def count_flux(folder: Path, tokens: int, forward: Pass) -> int:
    """FLOPs of one pass; see Family.count_pass."""
    net = without_weights(folder, transformer=FluxTransformer2DModel)
    rows, cols, config = forward.height // PATCH, forward.width // PATCH, net.config
    return count_joint(
        net,
        forward,
        patch=PATCH,
        hidden_states=zeros(1, rows * cols, config.in_channels),
        encoder_hidden_states=zeros(1, tokens, config.joint_attention_dim),
        guidance=zeros(1) if config.guidance_embeds else None,
        img_ids=image_ids(rows, cols).to(META),
        txt_ids=zeros(tokens, 3),
    )


def pack(latents: torch.Tensor) -> torch.Tensor:
    """Tokens [B, N, C * 4] of latents [B, C, h, w], row by row; a token's numbers lie as [C, 2, 2]."""
    batch, channels, height, width = latents.shape
    cut = latents.reshape(batch, channels, height // PATCH, PATCH, width // PATCH, PATCH)
    return cut.permute(0, 2, 4, 1, 3, 5).reshape(batch, -1, channels * PATCH**2)


def unpack(tokens: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """The latents [B, C, height, width] that ``pack`` made tokens [B, N, C * 4] of."""
    cut = tokens.reshape(len(tokens), height // PATCH, width // PATCH, -1, PATCH, PATCH)
    return cut.permute(0, 3, 1, 4, 2, 5).reshape(len(tokens), -1, height, width)


def image_ids(rows: int, cols: int) -> torch.Tensor:
    """[N, 3]: the position of every token of a tile of ``rows x cols`` of them, as (0, y, x) from the tile's corner."""
    ys, xs = torch.meshgrid(torch.arange(rows), torch.arange(cols), indexing="ij")
    return torch.stack([torch.zeros_like(ys), ys, xs], -1).reshape(-1, 3).float()


class FluxBackbone(JointTransformer):
    """Runs a FLUX model's parts; see Backbone for shapes and ranges. Every tile is a picture of its own: its positions
    begin at 0, so the transformer meets none that it was not trained on."""

    def __init__(self, geometry: LatentGeometry, parts: Parts, options: Options, guidance: float) -> None:
        """``guidance``: its weight where a conditioning tells none."""
        super().__init__(geometry, parts.vae, parts.transformer, options)
        self._default_guidance = guidance
        self._clip, self._sequence = parts.clip, parts.sequence

    def _run(
        self,
        latents: torch.Tensor,
        timestep: torch.Tensor,
        text: torch.Tensor,
        pooled: torch.Tensor,
        guidance: float | None,
    ) -> torch.Tensor:
        batch, _, height, width = latents.shape
        device = text.device
        patches = self._transformer(
            hidden_states=pack(latents).to(device, text.dtype),
            encoder_hidden_states=text,
            pooled_projections=pooled,
            # it multiplies both by 1000 again
            timestep=(timestep.float() / 1000).expand(batch).to(device),
            guidance=self._guidance(batch, guidance, device),
            img_ids=image_ids(height // PATCH, width // PATCH).to(device),
            txt_ids=torch.zeros(text.shape[1], 3, device=device),
            return_dict=False,
        )[0]
        return unpack(patches, height, width)

    def _guidance(self, batch: int, weight: float | None, device: torch.device) -> torch.Tensor | None:
        """[B] where the weight of guidance is an input."""
        if not self._geometry.inputs.embeds_guidance:
            return None
        return torch.full((batch,), self._default_guidance if weight is None else weight, device=device)

    @torch.inference_mode()
    def embed(self, prompts: list[str]) -> dict[str, torch.Tensor]:
        pooled = self._clip.run(prompts).pooler_output
        return {"text": self._sequence.sequence(prompts), "pooled": pooled.float().cpu()}


FAMILY = Family(
    name="flux",
    class_names=("FluxPipeline", "FluxImg2ImgPipeline"),
    parts=parts,
    weighted_parts=weighted_parts,
    kinds=kinds,
    read_geometry=read_geometry,
    read_defaults=read_defaults,
    load=load,
    networks=skeleton,
    count_pass=count_flux,
    count_codec=count_autoencoder,
)
