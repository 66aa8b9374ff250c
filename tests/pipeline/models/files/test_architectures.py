"""Every signature of the table is found by a name that its authors' files have, and by no other signature before it."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.models.files.architectures import ARCHITECTURES, looks_like
from tests.support.original import original_tensors
from tests.support.tiny import write_stable_diffusion

TENSORS = {
    "SeeSR": ["down_blocks.0.image_attentions.0.transformer_blocks.0.attn2.to_q.weight"],
    "PASD": ["up_blocks.1.attentions.0.transformer_blocks.0.attn2_plus.to_q.weight"],
    "StableSR": ["structcond_stage_model.input_blocks.0.0.weight"],
    "SUPIR": ["model.diffusion_model.project_modules.0.zero_conv.weight"],
    "FaithDiff": ["denoise_encoder.conv_in.weight"],
    "DiffBIR": ["zero_convs.0.0.weight", "input_blocks.0.0.weight"],
    "CCSR": ["cond_encoder.encoder.conv_in.weight", "control_model.time_embed.0.weight"],
    "ResShift or SinSR": ["input_blocks.1.1.blocks.0.attn.relative_position_bias_table", "output_blocks.0.0.weight"],
    "PiSA-SR": ["state_dict_unet.down_blocks.0.resnets.0.conv1.lora_A.default_encoder_pix.weight"],
    "S3Diff": ["state_dict_unet_de_mlp.0.weight", "state_dict_unet.conv_in.weight"],
    "OSEDiff": ["state_dict_unet.down_blocks.0.resnets.0.conv1.lora_A.default_encoder.weight"],
    "RAM or DAPE, which tag pictures": ["visual_encoder.layers.0.blocks.0.norm1.weight", "label_embed"],
    "the x4 upscaler of Stable Diffusion": ["model.diffusion_model.label_emb.weight"],
    "CosXL or Playground, an EDM model": ["edm_vpred.sigma_max"],
    "GLIGEN": ["down_blocks.0.attentions.0.transformer_blocks.0.fuser.alpha_attn"],
    "AnimateDiff": ["down_blocks.0.motion_modules.0.temporal_transformer.norm.weight"],
    "Stable Video Diffusion": ["down_blocks.0.resnets.0.temporal_res_block.conv1.weight"],
    "an IP-Adapter": ["down_blocks.0.attentions.0.transformer_blocks.0.attn2.processor.to_k_ip.0.weight"],
    "a ControlNet": ["control_model.time_embed.0.weight"],
    "a T2I-Adapter": ["adapter.body.0.in_conv.weight"],
    "GPTQ or AWQ quantisation": ["mid_block.attentions.0.proj_in.qweight"],
    "bitsandbytes quantisation": ["mid_block.attentions.0.proj_in.weight.absmax"],
    "scaled fp8 quantisation": ["model.diffusion_model.out.2.scale_weight"],
    "a LoRA that is not merged": ["mid_block.attentions.0.proj_in.lora_A.weight"],
}


@pytest.mark.parametrize("name", [one.name for one in ARCHITECTURES])
def test_every_signature(name: str) -> None:
    assert looks_like(TENSORS[name]) == name


@pytest.mark.parametrize("one", [one for one in ARCHITECTURES if one.settings], ids=lambda one: one.name)
def test_every_setting(one: object) -> None:
    for setting in one.settings:  # type: ignore[attr-defined]
        assert looks_like((), [setting]) == one.name  # type: ignore[attr-defined]


@pytest.mark.parametrize("kind", [{}, {"v2": True}, {"xl": True}], ids=["sd1", "sd2", "sdxl"])
def test_the_families_that_are_read_look_like_none(tmp_path: Path, kind: dict[str, bool]) -> None:
    from pipeline.models.files.networks import skeleton

    base = write_stable_diffusion(tmp_path / "base", **kind)
    assert looks_like(original_tensors(base)) is None
    assert looks_like(key for network in skeleton(base).values() for key in network.state_dict()) is None
