"""Tiny models with random weights in the real on-disk format, and small plans: what tests stand on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, DDIMScheduler, LCMScheduler, UNet2DConditionModel
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPTokenizer,
    Dinov2Config,
    Dinov2Model,
    ViTConfig,
    ViTModel,
)

from pipeline.models.card import ModelCard
from pipeline.models.families import analytic
from pipeline.plan.binding import Given, bind
from pipeline.plan.device import DeviceFacts
from pipeline.plan.facts import ImageFacts
from pipeline.plan.plan import Plan
from pipeline.plan.recipe import Recipe
from pipeline.prompts.tag_file import TagFile
from pipeline.prompts.tagging import Tagging

DEVICE = DeviceFacts(kind="cpu", name="test", threads=1)


def tiny_unet(*, cross: int = 16, seed: int = 0, **extra: Any) -> UNet2DConditionModel:
    torch.manual_seed(seed)
    settings: dict[str, Any] = {
        "sample_size": 16,
        "in_channels": 4,
        "out_channels": 4,
        "block_out_channels": (8, 16),
        "layers_per_block": 1,
        "norm_num_groups": 4,
        "attention_head_dim": 4,
        "cross_attention_dim": cross,
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
        "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D"),
    }
    return UNet2DConditionModel(**{**settings, **extra}).eval()


def tiny_vae(seed: int = 0, *, levels: int = 4, attention: bool = True, layers: int = 1) -> AutoencoderKL:
    """Four levels, as Stable Diffusion's: one latent pixel is 8 x 8 pixels."""
    torch.manual_seed(seed)
    return AutoencoderKL(
        in_channels=3,
        out_channels=3,
        latent_channels=4,
        block_out_channels=(4, 4, 8, 8)[-levels:],
        down_block_types=("DownEncoderBlock2D",) * levels,
        up_block_types=("UpDecoderBlock2D",) * levels,
        norm_num_groups=4,
        layers_per_block=layers,
        mid_block_add_attention=attention,
    ).eval()


def tiny_scheduler(**extra: Any) -> DDIMScheduler:
    settings: dict[str, Any] = {
        "beta_start": 0.00085,
        "beta_end": 0.012,
        "beta_schedule": "scaled_linear",
        "clip_sample": False,
        "set_alpha_to_one": False,
        "steps_offset": 1,
    }
    return DDIMScheduler(**{**settings, **extra})


def write_tokenizer(folder: Path) -> None:
    """A CLIP tokenizer over single letters, written with the real class."""
    folder.mkdir(parents=True)
    letters = [chr(c) for c in range(ord("a"), ord("z") + 1)]
    words = [*letters, *(f"{c}</w>" for c in letters), "<|startoftext|>", "<|endoftext|>"]
    (folder / "vocab.json").write_text(json.dumps({word: i for i, word in enumerate(words)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    tokenizer = CLIPTokenizer(str(folder / "vocab.json"), str(folder / "merges.txt"), model_max_length=16)
    tokenizer.save_pretrained(folder)


def write_stable_diffusion(
    folder: Path, *, xl: bool = False, v2: bool = False, lcm: bool = False, vae: AutoencoderKL | None = None
) -> Path:
    """A Stable Diffusion 1.x folder (or SDXL, 2.x, or a latent consistency model) with tiny random weights.

    ``vae``: another one than ``tiny_vae``.
    """
    text = CLIPTextConfig(
        vocab_size=54,
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=16,
        projection_dim=8,
        hidden_act="gelu" if v2 else "quick_gelu",
        bos_token_id=52,
        eos_token_id=53,
        pad_token_id=53,
    )
    added: dict[str, Any] = {}
    if xl:
        added = {
            "addition_embed_type": "text_time",
            "addition_time_embed_dim": 4,
            "projection_class_embeddings_input_dim": 8 + 6 * 4,
        }
    if v2:
        added = {"use_linear_projection": True, "attention_head_dim": (2, 4)}
    if lcm:
        added = {"time_cond_proj_dim": 8}
    tiny_unet(cross=32 if xl else 16, **added).save_pretrained(folder / "unet")
    (vae or tiny_vae()).save_pretrained(folder / "vae")
    scheduler = tiny_scheduler(prediction_type="v_prediction" if v2 else "epsilon")
    if lcm:
        scheduler = LCMScheduler.from_config(scheduler.config)
    scheduler.save_pretrained(folder / "scheduler")
    torch.manual_seed(1)
    CLIPTextModel(text).save_pretrained(folder / "text_encoder")
    write_tokenizer(folder / "tokenizer")
    name = "LatentConsistencyModel" if lcm else "StableDiffusionXL" if xl else "StableDiffusion"
    index: dict[str, Any] = {
        "_class_name": f"{name}Pipeline",
        "_diffusers_version": "0.42.1",
        "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"],
        "scheduler": ["diffusers", type(scheduler).__name__],
        "text_encoder": ["transformers", "CLIPTextModel"],
        "tokenizer": ["transformers", "CLIPTokenizer"],
    }
    if xl:
        CLIPTextModelWithProjection(text).save_pretrained(folder / "text_encoder_2")
        write_tokenizer(folder / "tokenizer_2")
        index["text_encoder_2"] = ["transformers", "CLIPTextModelWithProjection"]
        index["tokenizer_2"] = ["transformers", "CLIPTokenizer"]
    (folder / "model_index.json").write_text(json.dumps(index))
    return folder


def small_plan(
    *,
    height: int = 75,
    width: int = 125,
    scale: int = 4,
    model: ModelCard = analytic.CARD,
    device: DeviceFacts = DEVICE,
    versions: dict[str, str] | None = None,
    sha256: str = "0" * 64,
    tags: TagFile | None = None,
    tagger: Tagging | None = None,
    **recipe: Any,
) -> Plan:
    """A plan of some dozen regions for an image of ``height x width`` pixels."""
    settings = {"region": 64, "window": 48, "overlap": 16, "steps": 3, **recipe}
    image = ImageFacts(height=height, width=width, num_bands=3, dtype="uint8", sha256=sha256)
    return bind(
        Recipe().with_settings(settings),
        image=image,
        scale=scale,
        model=model,
        device=device,
        versions=versions or {},
        given=Given(tags=tags, tagger=tagger),
    )


def write_vit(folder: Path, *, kind: str = "vit", side: int = 32, patch: int = 8) -> Path:
    """A vision transformer in transformers' format, such as DINO's: ``kind`` vit or dinov2."""
    torch.manual_seed(0)
    shared: dict[str, Any] = {
        "hidden_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "image_size": side,
        "patch_size": patch,
        # attention of random weights is all but even otherwise
        "initializer_range": 0.5,
    }
    if kind == "vit":
        ViTModel(ViTConfig(intermediate_size=32, **shared), add_pooling_layer=False).save_pretrained(folder)
    else:
        Dinov2Model(Dinov2Config(mlp_ratio=2, **shared)).save_pretrained(folder)
    return folder
