"""What published models hold and nothing reads, by real names, and what must not pass for it."""

from __future__ import annotations

import re

import pytest
from diffusers import UNet2DConditionModel
from transformers import CLIPTextConfig, SiglipConfig

from pipeline.models.files.leftovers import (
    OF_CLASSES,
    SETTINGS,
    TENSORS,
    is_harmless,
    known_settings,
    known_text_settings,
    unknown_settings,
)

HARMLESS = [
    "cond_stage_model.transformer.text_model.embeddings.position_ids",
    "position_ids",
    "down.0.norm.num_batches_tracked",
    "cond_stage_model.model.attn_mask",
    "cond_stage_model.model.logit_scale",
    "model_ema.diffusion_modeltime_embed0weight",
    "betas",
    "alphas_cumprod",
    "alphas_cumprod_prev",
    "sqrt_recipm1_alphas_cumprod",
    "log_one_minus_alphas_cumprod",
    "posterior_mean_coef1",
    "lvlb_weights",
    "logvar",
    "denoiser.sigmas",
    "first_stage_model.loss.discriminator.main.0.weight",
    "cond_stage_model.model.text_projection",
    "cond_stage_model.model.transformer.resblocks.23.attn.in_proj_weight",
    "cond_stage_model.transformer.text_projection.weight",
    "optimizer_states.0",
    "lr_schedulers.last",
    "callbacks.ema",
    "loops.fit",
]
"""by the published files of Stable Diffusion 1, 2 and XL, and of those who trained on with Lightning"""
FOREIGN = [
    "model.diffusion_model.input_blocks.0.0.weight",
    "cond_stage_model.model.transformer.resblocks.22.attn.in_proj_weight",
    "cond_stage_model.model.transformer.resblocks.230.attn.in_proj_weight",
    "structcond_stage_model.out.0.weight",
    "first_stage_model.decoder.conv_in.weight",
    "not_model_ema.decay",
    "own.betas",
    "betas.more",
    "position_ids_more",
    "image_attentions.0.norm.weight",
    "text_projection.weight",
    "vision_model.embeddings.class_embedding",
]


@pytest.mark.parametrize("name", HARMLESS)
def test_harmless(name: str) -> None:
    assert is_harmless(name)
    assert is_harmless(name, "CLIPTextModel")


@pytest.mark.parametrize("name", FOREIGN)
def test_not_harmless(name: str) -> None:
    assert not is_harmless(name)
    assert not is_harmless(name, "UNet2DConditionModel")


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        ("text_projection.weight", {"CLIPTextModel", "CLIPVisionModelWithProjection"}),
        ("vision_model.embeddings.class_embedding", {"CLIPTextModel", "CLIPTextModelWithProjection"}),
        ("visual_projection.weight", {"CLIPTextModel", "CLIPTextModelWithProjection"}),
        ("text_model.encoder.layers.0.mlp.fc1.weight", {"CLIPVisionModelWithProjection"}),
        ("decoder.block.0.layer.0.SelfAttention.q.weight", {"T5EncoderModel"}),
        ("lm_head.weight", {"T5EncoderModel"}),
        ("pooler.dense.weight", {"ViTModel"}),
        ("classifier.weight", {"ViTModel", "Dinov2Model", "Dinov2WithRegistersModel"}),
        ("encoder.pooler.weight", set()),
    ],
)
def test_harmless_to_networks_of_one_class(name: str, kinds: set[str]) -> None:
    """The projection of a text encoder that has one is read, and no leftover."""
    assert {kind for kind in OF_CLASSES if is_harmless(name, kind)} == kinds


def test_every_row_says_why() -> None:
    rows = [*TENSORS, *(row for table in OF_CLASSES.values() for row in table)]
    for pattern, why in (*rows, *SETTINGS.items()):
        re.compile(pattern)
        assert why.strip()


@pytest.mark.parametrize("value", [None, False, "", [], {}])
def test_a_setting_that_is_off_changes_nothing(value: object) -> None:
    assert unknown_settings({"new": value}, []) == []


@pytest.mark.parametrize("value", [True, 0, 0.0, 1, "none", [0], {"a": 1}])
def test_one_that_is_on_is_told(value: object) -> None:
    """0 too: it may be a strength whose default is another."""
    assert unknown_settings({"new": value}, []) == ["new"]


def test_which_settings_are_told() -> None:
    config = {
        "z_new": 1,
        "a_new": 2,
        "width": 3,
        "_class_name": "UNet",
        "torch_dtype": "float16",
        "decay": 0.9999,
        "quantization_config": {"bits": 4},
        "gradient_checkpointing": True,
    }
    assert unknown_settings(config, ["width"]) == ["a_new", "z_new"]


def test_settings_of_diffusers_networks() -> None:
    found = known_settings(UNet2DConditionModel)
    assert {"in_channels", "block_out_channels", "cross_attention_dim"} <= found
    assert "self" not in found
    assert known_settings(type("Net", (), {"__init__": lambda self, width, kwargs: None})) == {"width"}


def test_settings_of_transformers_networks() -> None:
    """Their own, their kin's, those of text generation, other names of them, and what every model once wrote."""
    found = known_text_settings(CLIPTextConfig)
    assert {"hidden_size", "num_channels", "max_length", "architectures", "relative_attention_num_buckets"} <= found
    assert "image_attentions" not in found
    assert {"text_config", "vision_config"} <= known_text_settings(SiglipConfig)
