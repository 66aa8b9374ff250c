"""Stable Diffusion 3 and 3.5: a transformer over tokens of 2 x 2 latent pixels, two CLIPs and T5, flow matching.

T5 may be left out, as its authors allow: then zeros stand for its tokens.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, SD3Transformer2DModel
from torch.nn import functional

from pipeline.models.attachments.lora import merge_all
from pipeline.models.attention.kernels import PLAIN, Options
from pipeline.models.autoencoder.autoencoder import codec_cost, codec_geometry
from pipeline.models.card import LIVE_FEATURES, Cost, Defaults, Inputs, LatentGeometry, ModelCard
from pipeline.models.family import Family, Pass
from pipeline.models.files.configs import read_config
from pipeline.models.files.networks import bare, read_network
from pipeline.models.flops import count_autoencoder, count_joint, without_weights, zeros

from .joint_transformer import JointTransformer
from .text_encoder import KINDS, TextEncoder, config_files, folders, num_tokens, read_text_encoder

SEQUENCE_TOKENS = 256
"""tokens of T5 that the model reads"""
CLIP_TOKENS = 77


def _numbers(index: dict[str, Any]) -> tuple[int, ...]:
    """Of its text encoders: both CLIPs, and T5 where there is one."""
    named = index.get("text_encoder_3") or [None]
    return (1, 2) if named[0] is None else (1, 2, 3)


def parts(index: dict[str, Any]) -> list[str]:
    """Configs that must be there, relative to the model's folder."""
    names = ["model_index.json", "vae/config.json", "transformer/config.json", "scheduler/scheduler_config.json"]
    return [*names, *(file for number in _numbers(index) for file in config_files(number))]


def weighted_parts(index: dict[str, Any]) -> list[str]:
    return ["vae", "transformer", *(folders(number)[1] for number in _numbers(index))]


def kinds(folder: Path, index: dict[str, Any]) -> dict[str, Any]:
    """Folder of each part that has weights -> the class of its network."""
    encoders = {folders(number)[1]: KINDS["sequence" if number == 3 else "projected"] for number in _numbers(index)}
    return {"vae": AutoencoderKL, "transformer": SD3Transformer2DModel, **encoders}


def read_geometry(folder: Path, index: dict[str, Any]) -> LatentGeometry:
    """Geometry from the configs. Raises ValueError, one line, where the parts do not fit each other."""
    configs = {part: read_config(folder / part / "config.json", folder.name) for part in weighted_parts(index)}
    check_parts(folder, configs)
    transformer = configs["transformer"]
    window, patch = transformer["sample_size"], transformer["patch_size"]
    has_sequence = 3 in _numbers(index)
    return LatentGeometry(
        **codec_geometry(configs["vae"]),
        window=window,
        multiple=patch,
        patch=patch,
        largest_window=transformer["pos_embed_max_size"] * patch,
        attends_nearby=True,
        inputs=Inputs(text_tokens=num_tokens(folder, *((3, SEQUENCE_TOKENS) if has_sequence else (1, CLIP_TOKENS)))),
        cost=Cost(
            width=transformer["num_attention_heads"] * transformer["attention_head_dim"] // patch**2,
            live_features=LIVE_FEATURES,
            **codec_cost(configs["vae"]),
        ),
    )


def read_defaults(folder: Path, index: dict[str, Any]) -> Defaults:
    """Its authors' numbers."""
    return Defaults(
        overlap=read_config(folder / "transformer" / "config.json", folder.name)["sample_size"] // 2,
        steps=28,
        guidance=7.0,
        batch=2,
        dtype="bfloat16" if torch.cuda.is_available() else "float32",
    )


def check_parts(folder: Path, configs: dict[str, dict[str, Any]]) -> None:
    """Refuse a transformer that does not read what the other parts make. Raises ValueError."""
    transformer, vae = configs["transformer"], configs["vae"]
    clips = [configs[folders(number)[1]] for number in (1, 2)]
    sequence = configs.get("text_encoder_3", {"d_model": transformer["joint_attention_dim"]})
    pooled = sum(clip["projection_dim"] for clip in clips)
    for what, reads, makes in (
        ("latents of {} channels and its autoencoder makes", transformer["in_channels"], vae["latent_channels"]),
        ("text of width {} and its T5 makes", transformer["joint_attention_dim"], sequence["d_model"]),
        ("vectors of text of width {} and its CLIPs make", transformer["pooled_projection_dim"], pooled),
    ):
        if reads != makes:
            raise ValueError(
                f"model {folder.name}: its transformer reads {what.format(reads)} {makes}: "
                "the parts are of different models"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The loaded networks, on one device."""

    vae: Any
    transformer: Any
    clips: tuple[TextEncoder, TextEncoder]
    sequence: TextEncoder | None


def skeleton(folder: Path) -> dict[str, Any]:
    """The networks that can be changed, on the meta device, from their configs alone."""
    index = read_config(folder / "model_index.json", folder.name)
    return bare(folder, {part: kind for part, kind in kinds(folder, index).items() if part != "vae"})


def load(card: ModelCard, *, device: str, dtype: torch.dtype, options: Options = PLAIN) -> StableDiffusion3Backbone:
    folder = Path(card.location)
    assert card.geometry.inputs.text_tokens is not None
    # the tokenizer of the first says for both CLIPs what they read
    read = num_tokens(folder, 1, CLIP_TOKENS)
    sequence = None
    if 3 in _numbers(read_config(folder / "model_index.json", card.name)):
        sequence = read_text_encoder(folder, 3, "sequence", card.geometry.inputs.text_tokens, dtype, strict=card.strict)
    loaded = Parts(
        vae=read_network(AutoencoderKL, folder / "vae", strict=card.strict, torch_dtype=torch.float32),
        transformer=read_network(SD3Transformer2DModel, folder / "transformer", strict=card.strict, torch_dtype=dtype),
        clips=(
            read_text_encoder(folder, 1, "projected", read, dtype, strict=card.strict),
            read_text_encoder(folder, 2, "projected", read, dtype, strict=card.strict),
        ),
        sequence=sequence,
    )
    encoders = [encoder.network for encoder in (*loaded.clips, loaded.sequence) if encoder is not None]
    changed = {folders(1 + place)[1]: network for place, network in enumerate(encoders)}
    merge_all({"transformer": loaded.transformer, **changed}, card)
    for network in (loaded.vae, loaded.transformer, *encoders):
        network.to(device).eval().requires_grad_(False)
    options.prepare(loaded.transformer)
    return StableDiffusion3Backbone(card.geometry, loaded, options)


def count_transformer(folder: Path, _tokens: int, forward: Pass) -> int:
    """FLOPs of one pass; see Family.count_pass."""
    net = without_weights(folder, transformer=SD3Transformer2DModel)
    return count_joint(
        net,
        forward,
        patch=net.config.patch_size,
        hidden_states=zeros(1, net.config.in_channels, forward.height, forward.width),
        # both, whether there is a T5 or not
        encoder_hidden_states=zeros(1, CLIP_TOKENS + SEQUENCE_TOKENS, net.config.joint_attention_dim),
    )


class StableDiffusion3Backbone(JointTransformer):
    """Runs a Stable Diffusion 3 model's parts; see Backbone for shapes and ranges. A tile's positions are the middle of
    the model's table of them."""

    def __init__(self, geometry: LatentGeometry, parts: Parts, options: Options = PLAIN) -> None:
        super().__init__(geometry, parts.vae, parts.transformer, options)
        self._clips, self._sequence = parts.clips, parts.sequence

    def _run(
        self,
        latents: torch.Tensor,
        timestep: torch.Tensor,
        text: torch.Tensor,
        pooled: torch.Tensor,
        guidance: float | None,
    ) -> torch.Tensor:
        prediction: torch.Tensor = self._transformer(
            hidden_states=latents.to(text.device, text.dtype),
            timestep=timestep.expand(len(latents)).to(text.device),
            encoder_hidden_states=text,
            pooled_projections=pooled,
            return_dict=False,
        )[0]
        return prediction

    @torch.inference_mode()
    def embed(self, prompts: list[str]) -> dict[str, torch.Tensor]:
        """The CLIPs' last layers but one beside each other, widened by zeros, before T5's tokens."""
        outputs = [clip.run(prompts, output_hidden_states=True) for clip in self._clips]
        states = torch.cat([output.hidden_states[-2] for output in outputs], -1).float().cpu()
        width = self._transformer.config.joint_attention_dim
        states = functional.pad(states, (0, width - states.shape[-1]))
        if self._sequence is None:
            sequence = torch.zeros(len(prompts), SEQUENCE_TOKENS, width)
        else:
            sequence = self._sequence.sequence(prompts)
        pooled = torch.cat([output.text_embeds for output in outputs], -1)
        return {"text": torch.cat([states, sequence], 1), "pooled": pooled.float().cpu()}


FAMILY = Family(
    name="stable_diffusion_3",
    class_names=("StableDiffusion3Pipeline", "StableDiffusion3Img2ImgPipeline"),
    parts=parts,
    weighted_parts=weighted_parts,
    kinds=kinds,
    read_geometry=read_geometry,
    read_defaults=read_defaults,
    load=load,
    networks=skeleton,
    is_distilled_by_name=True,
    count_pass=count_transformer,
    count_codec=count_autoencoder,
)
