"""Tiny FLUX and Stable Diffusion 3 folders with random weights in the real on-disk format."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from diffusers import (
    AutoencoderKL,
    FlowMatchEulerDiscreteScheduler,
    FluxTransformer2DModel,
    SD3Transformer2DModel,
)
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    T5Config,
    T5EncoderModel,
    T5Tokenizer,
)

from tests.support.tiny import write_tokenizer

T5_WIDTH = 20
T5_TOKENS = 24


def write_sequence_tokenizer(folder: Path, tokens: int = T5_TOKENS) -> None:
    """A T5 tokenizer over single letters, written with the real class; it reads ``tokens`` tokens."""
    words = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("\u2581", -2.0)]
    words += [(chr(c), -3.0) for c in range(ord("a"), ord("z") + 1)] + [(",", -3.0)]
    T5Tokenizer(vocab=words, extra_ids=0, additional_special_tokens=None, model_max_length=tokens).save_pretrained(
        folder
    )


def write_sequence_encoder(folder: Path, seed: int = 5) -> None:
    torch.manual_seed(seed)
    config = T5Config(
        vocab_size=40,
        d_model=T5_WIDTH,
        d_kv=8,
        d_ff=24,
        num_layers=2,
        num_heads=2,
        feed_forward_proj="gated-gelu",
        is_encoder_decoder=False,
        use_cache=False,
    )
    T5EncoderModel(config).save_pretrained(folder)


def clip_config(projection: int) -> CLIPTextConfig:
    return CLIPTextConfig(
        vocab_size=54,
        hidden_size=8,
        intermediate_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=16,
        projection_dim=projection,
        bos_token_id=52,
        eos_token_id=53,
        pad_token_id=53,
    )


def sixteen_channel_vae(seed: int = 0) -> AutoencoderKL:
    """As FLUX and Stable Diffusion 3 have it: shifted latents and no convolutions beside the two halves."""
    torch.manual_seed(seed)
    return AutoencoderKL(
        in_channels=3,
        out_channels=3,
        latent_channels=16,
        block_out_channels=(4, 4, 8, 8),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        norm_num_groups=4,
        layers_per_block=1,
        use_quant_conv=False,
        use_post_quant_conv=False,
        shift_factor=0.1159,
        scaling_factor=0.3611,
    ).eval()


def tiny_flux_transformer(*, schnell: bool = False, **extra: Any) -> FluxTransformer2DModel:
    torch.manual_seed(3)
    settings: dict[str, Any] = {
        "in_channels": 64,
        "num_layers": 2,
        "num_single_layers": 2,
        "attention_head_dim": 16,
        "num_attention_heads": 2,
        "joint_attention_dim": T5_WIDTH,
        "pooled_projection_dim": 8,
        "guidance_embeds": not schnell,
        "axes_dims_rope": (4, 6, 6),
    }
    return FluxTransformer2DModel(**{**settings, **extra}).eval()


def tiny_sd3_transformer(**extra: Any) -> SD3Transformer2DModel:
    torch.manual_seed(4)
    settings: dict[str, Any] = {
        "sample_size": 16,
        "patch_size": 2,
        "in_channels": 16,
        "num_layers": 2,
        "attention_head_dim": 8,
        "num_attention_heads": 4,
        "joint_attention_dim": T5_WIDTH,
        "caption_projection_dim": 32,
        "pooled_projection_dim": 12,
        "out_channels": 16,
        "pos_embed_max_size": 12,
        "dual_attention_layers": (0,),
        "qk_norm": "rms_norm",
    }
    return SD3Transformer2DModel(**{**settings, **extra}).eval()


def _write_index(folder: Path, name: str, parts: dict[str, list[str | None]]) -> None:
    table = {"_class_name": name, "_diffusers_version": "0.42.1", **parts}
    (folder / "model_index.json").write_text(json.dumps(table))


def write_flux(folder: Path, *, schnell: bool = False) -> Path:
    """A FLUX.1 folder: dev, whose guidance is embedded and whose levels shift with the size, or schnell."""
    tiny_flux_transformer(schnell=schnell).save_pretrained(folder / "transformer")
    sixteen_channel_vae().save_pretrained(folder / "vae")
    # the length of a sequence that shifts most is a tiny window's here
    shift: dict[str, Any] = {"shift": 1.0} if schnell else {"shift": 3.0, "use_dynamic_shifting": True}
    FlowMatchEulerDiscreteScheduler(
        **shift, base_image_seq_len=16, max_image_seq_len=64, base_shift=0.5, max_shift=1.15
    ).save_pretrained(folder / "scheduler")
    torch.manual_seed(1)
    CLIPTextModel(clip_config(8)).save_pretrained(folder / "text_encoder")
    write_tokenizer(folder / "tokenizer")
    write_sequence_encoder(folder / "text_encoder_2")
    write_sequence_tokenizer(folder / "tokenizer_2")
    _write_index(
        folder,
        "FluxPipeline",
        {
            "scheduler": ["diffusers", "FlowMatchEulerDiscreteScheduler"],
            "text_encoder": ["transformers", "CLIPTextModel"],
            "text_encoder_2": ["transformers", "T5EncoderModel"],
            "tokenizer": ["transformers", "CLIPTokenizer"],
            "tokenizer_2": ["transformers", "T5TokenizerFast"],
            "transformer": ["diffusers", "FluxTransformer2DModel"],
            "vae": ["diffusers", "AutoencoderKL"],
        },
    )
    return folder


def write_stable_diffusion_3(folder: Path, *, sequence: bool = True, **transformer: Any) -> Path:
    """A Stable Diffusion 3.5 folder, with T5 or (not ``sequence``) without it."""
    tiny_sd3_transformer(**transformer).save_pretrained(folder / "transformer")
    sixteen_channel_vae().save_pretrained(folder / "vae")
    FlowMatchEulerDiscreteScheduler(shift=3.0).save_pretrained(folder / "scheduler")
    parts: dict[str, list[str | None]] = {
        "scheduler": ["diffusers", "FlowMatchEulerDiscreteScheduler"],
        "transformer": ["diffusers", "SD3Transformer2DModel"],
        "vae": ["diffusers", "AutoencoderKL"],
    }
    for place, (number, projection) in enumerate((("", 8), ("_2", 4))):
        torch.manual_seed(1 + place)
        CLIPTextModelWithProjection(clip_config(projection)).save_pretrained(folder / f"text_encoder{number}")
        write_tokenizer(folder / f"tokenizer{number}")
        parts[f"text_encoder{number}"] = ["transformers", "CLIPTextModelWithProjection"]
        parts[f"tokenizer{number}"] = ["transformers", "CLIPTokenizer"]
    if sequence:
        write_sequence_encoder(folder / "text_encoder_3")
        write_sequence_tokenizer(folder / "tokenizer_3")
    for part, name in (("text_encoder_3", "T5EncoderModel"), ("tokenizer_3", "T5TokenizerFast")):
        parts[part] = ["transformers", name] if sequence else [None, None]
    _write_index(folder, "StableDiffusion3Pipeline", parts)
    return folder
