"""By which tensors and settings other people's architectures are known, to name them where they are refused.

All of these are Stable Diffusion with something more inside, or a network of another kind in a file that looks alike.
Names of tensors are those of the authors' published files or of their source.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Architecture:
    """What a file looks like; it is enough that one pattern is found in one name."""

    name: str
    tensors: tuple[str, ...] = ()
    """regular expressions, searched in names of tensors"""
    settings: tuple[str, ...] = ()
    """names of attributes in a config"""
    pairs: tuple[tuple[str, str], ...] = ()
    """patterns that must both be found: each alone is another's too"""


ARCHITECTURES = (
    Architecture(
        name="SeeSR",
        tensors=(r"\bimage_attentions\.", r"\.attn2_image\b"),
        settings=("use_image_cross_attention", "image_cross_attention_dim"),
    ),
    Architecture(
        name="PASD",
        tensors=(r"\.(attn|norm)\d_plus\.", r"pixel(wise)?_attentions?\.", r"\.attn_pixel\."),
        settings=("use_pixelwise_attention", "pixelwise_cross_attention_dim", "use_rgb"),
    ),
    Architecture(
        name="StableSR",
        tensors=(r"^structcond_stage_model\.", r"\bspade(_layers?)?\.", r"\bfusion_layer_\d"),
    ),
    Architecture(
        name="SUPIR",
        tensors=(r"\bproject_modules\.", r"^first_stage_model\.denoise_encoder\.", r"^model\.control_model\."),
    ),
    Architecture(
        name="FaithDiff",
        tensors=(
            r"\bdenoise_encoder\.",
            r"\bcondition_embedding\.",
            r"\binformation_transformer_layes\.",
            r"\bagg_net\.",
        ),
    ),
    Architecture(
        name="DiffBIR",
        tensors=(r"^preprocess_model\.", r"^swinir\."),
        # its ControlNets read the latent of the picture, so they have no layers for the picture itself
        pairs=((r"^zero_convs\.", r"^input_blocks\.0\.0\.weight"),),
    ),
    Architecture(name="CCSR", tensors=(r"^cond_encoder\.",)),
    Architecture(
        name="ResShift or SinSR",
        tensors=(r"\bblocks\.\d+\.attn\.relative_position_(bias_table|index)",),
        pairs=((r"^(module\.)?input_blocks\.\d+\.\d+\.blocks\.", r"^(module\.)?output_blocks\."),),
    ),
    Architecture(
        name="PiSA-SR",
        tensors=(r"\bdefault_(encoder|decoder|others)_(pix|sem)\b", r"lora_(encoder|decoder|others)_modules_(pix|sem)"),
    ),
    Architecture(
        name="S3Diff", tensors=(r"(vae|unet)_(de_mlp|block_mlp|fuse_mlp|block_embeddings)", r"\bstate_embeddings\b")
    ),
    Architecture(
        name="OSEDiff",
        tensors=(
            r"\bdefault_(encoder|decoder|others)\b",
            r"^(unet|vae)_lora_(encoder|decoder|others)_modules\b",
            r"^state_dict_(unet|vae)\b",
        ),
    ),
    Architecture(
        name="RAM or DAPE, which tag pictures",
        tensors=(r"^label_embed$", r"^tagging_head\.", r"^wordvec_proj\.", r"^visual_encoder\.layers\.\d"),
    ),
    Architecture(
        name="the x4 upscaler of Stable Diffusion",
        tensors=(r"^(model\.diffusion_model\.label_emb|class_embedding)\.weight$", r"^low_scale_model\."),
        settings=("low_res_scheduler",),
    ),
    Architecture(name="CosXL or Playground, an EDM model", tensors=(r"^edm_(vpred|mean|std)\b",)),
    Architecture(name="GLIGEN", tensors=(r"\bfuser\.", r"\bposition_net\.")),
    Architecture(name="AnimateDiff", tensors=(r"\bmotion_modules\.", r"\btemporal_transformer\.")),
    Architecture(
        name="Stable Video Diffusion", tensors=(r"\btemporal_res_block\.", r"\btime_mixer\.", r"\btime_stack\.")
    ),
    Architecture(
        name="an IP-Adapter", tensors=(r"\bto_[kv]_ip\b", r"^(image_proj|ip_adapter)\.", r"\bencoder_hid_proj\.")
    ),
    Architecture(
        name="a ControlNet",
        tensors=(r"^control_model\.", r"\bcontrolnet_(cond_embedding|down_blocks|mid_block)\.", r"^input_hint_block\."),
        settings=("conditioning_embedding_out_channels",),
    ),
    Architecture(name="a T2I-Adapter", tensors=(r"^(adapter\.)?body\.\d+\.",)),
    Architecture(name="GPTQ or AWQ quantisation", tensors=(r"\.(qweight|qzeros|g_idx)$",)),
    Architecture(
        name="bitsandbytes quantisation",
        tensors=(r"\.(absmax|nested_absmax|quant_map|nested_quant_map|SCB)$", r"\bquant_state\b"),
    ),
    Architecture(
        name="scaled fp8 quantisation", tensors=(r"\b(weight_scale|input_scale|scale_weight|scale_input|scaled_fp8)\b",)
    ),
    Architecture(
        name="a LoRA that is not merged", tensors=(r"\blora_(A|B|up|down)\b", r"\bbase_layer\.", r"\.lora\.(up|down)\.")
    ),
)
"""the more telling come first"""


def looks_like(tensors: Iterable[str], settings: Iterable[str] = ()) -> str | None:
    """The architecture that these names of tensors, or attributes of a config, tell of; None where none is known.

    >>> looks_like(["down_blocks.0.image_attentions.0.norm.weight"])
    'SeeSR'
    """
    names, keys = list(tensors), set(settings)
    for architecture in ARCHITECTURES:
        if keys & set(architecture.settings) or any(_found(pattern, names) for pattern in architecture.tensors):
            return architecture.name
        if any(_found(first, names) and _found(second, names) for first, second in architecture.pairs):
            return architecture.name
    return None


def _found(pattern: str, names: list[str]) -> bool:
    return any(re.search(pattern, name) for name in names)
