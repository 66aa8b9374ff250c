"""Tiny taggers with random weights in transformers' real on-disk format."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import (
    BlipConfig,
    BlipForConditionalGeneration,
    CLIPConfig,
    CLIPModel,
    Florence2Config,
    Florence2ForConditionalGeneration,
    PreTrainedTokenizerFast,
    SiglipConfig,
    SiglipModel,
)
from transformers.models.blip.image_processing_pil_blip import BlipImageProcessorPil
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

from pipeline.prompts.tagging import MANNERS

SPOKEN = """<pad> <s> </s> <unk> a photo of this is with water roof road noise blur , . in the what does image describe
? detail shown stone sand"""
WORDS = SPOKEN.split()
VISION: dict[str, Any] = {
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "image_size": 32,
    "patch_size": 8,
}
TEXT: dict[str, Any] = {
    "vocab_size": len(WORDS),
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "max_position_embeddings": 16,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
}


def tiny_tokenizer(**extra: Any) -> PreTrainedTokenizerFast:
    """Whole words; what is not among WORDS is <unk>."""
    core = Tokenizer(models.WordLevel({word: number for number, word in enumerate(WORDS)}, unk_token="<unk>"))
    core.normalizer = normalizers.Lowercase()
    core.pre_tokenizer = pre_tokenizers.Whitespace()
    core.post_processor = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=[("<s>", 1), ("</s>", 2)])
    names = {"pad_token": "<pad>", "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
    return PreTrainedTokenizerFast(tokenizer_object=core, model_max_length=16, **names, **extra)


def write_tagger(folder: Path, kind: str, seed: int = 0) -> Path:
    """A tagger of one of pipeline.prompts.tagging.MANNERS but the embedded one."""
    torch.manual_seed(seed)
    size = {"height": 32, "width": 32}
    model: Any
    images: Any = CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size=size)
    tokenizer = tiny_tokenizer()
    if kind == "siglip":
        model = SiglipModel(SiglipConfig(text_config={**TEXT, "projection_size": 16}, vision_config=VISION))
        images = SiglipImageProcessorPil(size=size)
    elif kind == "clip":
        parts = {"text_config": {**TEXT, "projection_dim": 16}, "vision_config": VISION}
        model = CLIPModel(CLIPConfig(**parts, projection_dim=16))
    elif kind == "blip":
        text = {
            **TEXT,
            "encoder_hidden_size": 16,
            "sep_token_id": 2,
            "projection_dim": 16,
            "max_position_embeddings": 64,
        }
        model = BlipForConditionalGeneration(BlipConfig(text_config=text, vision_config=VISION, projection_dim=16))
        images = BlipImageProcessorPil(size=size)
    else:
        model, images, tokenizer = _florence(size)
    with torch.no_grad():
        # freshly made, the networks hardly see their input
        for weight in model.parameters():
            weight.mul_((12 if MANNERS[kind].writes else 4) if weight.dim() > 1 else 1)
    model.eval().save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    images.save_pretrained(folder)
    return folder


def _florence(size: dict[str, int]) -> tuple[Any, Any, Any]:
    tokenizer = tiny_tokenizer(extra_special_tokens={"image_token": "<image>"})
    vision = {
        "depths": (1, 1, 1, 1),
        "embed_dim": (8, 8, 16, 16),
        "num_heads": (1, 1, 2, 2),
        "num_groups": (1, 1, 2, 2),
        "window_size": 4,
        "projection_dim": 16,
        "drop_path_rate": 0.0,
    }
    text = {
        "model_type": "bart",
        "vocab_size": len(WORDS) + 1,
        "d_model": 16,
        "encoder_layers": 1,
        "decoder_layers": 1,
        "encoder_ffn_dim": 32,
        "decoder_ffn_dim": 32,
        "encoder_attention_heads": 2,
        "decoder_attention_heads": 2,
        "max_position_embeddings": 128,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "pad_token_id": 0,
        "decoder_start_token_id": 1,
    }
    config = Florence2Config(
        text_config=text, vision_config=vision, image_token_id=tokenizer.convert_tokens_to_ids("<image>")
    )
    images = CLIPImageProcessorPil(size=size, do_center_crop=False, image_seq_length=2)
    return Florence2ForConditionalGeneration(config), images, tokenizer
