"""What published models hold and nothing reads, harmless each for a reason that is known. All else is refused."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Iterable
from typing import Any

TENSORS: tuple[tuple[str, str], ...] = (
    (r"(^|\.)position_ids$", "0, 1, 2 and so on, which transformers now makes itself"),
    (r"(^|\.)num_batches_tracked$", "a counter of training"),
    (r"(^|\.)attn_mask$", "OpenCLIP's causal mask, which the text encoder makes itself"),
    (r"(^|\.)logit_scale$", "CLIP's temperature, which compares words with pictures; text alone has no use for it"),
    (r"^model_ema\.", "a second copy of the U-Net, averaged in training; what is run is the first"),
    (
        r"^(betas|alphas|(sqrt_|log_)?\w*alphas_cumprod\w*|posterior_\w+|lvlb_weights|logvar)$",
        "the schedule, tabulated",
    ),
    (r"^denoiser\.sigmas$", "the schedule of SDXL's training code, tabulated"),
    (r"^first_stage_model\.loss\.", "the discriminator and the loss that the autoencoder was trained with"),
    (
        r"^cond_stage_model\.model\.text_projection$",
        "OpenCLIP's last projection: Stable Diffusion 2 reads the layer before",
    ),
    (
        r"^cond_stage_model\.model\.transformer\.resblocks\.23\.",
        "OpenCLIP's last layer, which Stable Diffusion 2 leaves out",
    ),
    (
        r"^cond_stage_model\.transformer\.text_projection\.",
        "CLIP's last projection: Stable Diffusion 1 reads the layer before",
    ),
    (r"^(optimizers?|optimizer_states|lr_schedulers?|callbacks|loops)\.", "the state of training"),
)
"""pattern searched in a tensor's name -> why leaving it out changes no pixel"""
OF_CLASSES: dict[str, tuple[tuple[str, str], ...]] = {
    "CLIPTextModel": (
        (r"^text_projection\.", "the last projection, which this family does not read"),
        (r"^(vision_model|visual_projection)\.", "the half of CLIP that sees"),
    ),
    "CLIPTextModelWithProjection": ((r"^(vision_model|visual_projection)\.", "the half of CLIP that sees"),),
    "CLIPVisionModelWithProjection": ((r"^(text_model|text_projection)\.", "the half of CLIP that reads"),),
    "T5EncoderModel": ((r"^(decoder|lm_head)\.", "the half of T5 that writes"),),
    "ViTModel": ((r"^(pooler|classifier)\.", "what classifies, behind the last attention"),),
    "Dinov2Model": ((r"^classifier\.", "what classifies, behind the last attention"),),
    "Dinov2WithRegistersModel": ((r"^classifier\.", "what classifies, behind the last attention"),),
}
"""the same for networks of one class"""
SETTINGS: dict[str, str] = {
    **dict.fromkeys(("dtype", "torch_dtype"), "the number format is chosen here"),
    **dict.fromkeys(
        ("decay", "inv_gamma", "min_decay", "optimization_step", "power", "update_after_step", "use_ema_warmup"),
        "how training averaged the weights",
    ),
    **dict.fromkeys(
        ("image_feature_source", "image_pos_embed", "visual_temporal_embedding"),
        "how Florence-2's authors named what its converted config says by other names",
    ),
    **dict.fromkeys(("gradient_checkpointing", "use_gradient_checkpointing"), "how training spared memory"),
}
"""attribute of a config -> why leaving it out changes no pixel"""
KIN = (
    "BartConfig",
    "BertConfig",
    "BlipTextConfig",
    "BlipVisionConfig",
    "CLIPTextConfig",
    "CLIPVisionConfig",
    "Dinov2Config",
    "SiglipTextConfig",
    "SiglipVisionConfig",
    "T5Config",
    "ViTConfig",
)
"""configs of transformers whose attributes are found in others of text encoders, taggers and vision transformers"""
OLD_SETTINGS = (
    "add_cross_attention",
    "architectures",
    "attn_implementation",
    "auto_map",
    "cross_attention_hidden_size",
    "dropout",
    "finetuning_task",
    "initializer_factor",
    "is_decoder",
    "label_smoothing",
    "model_type",
    "n_positions",
    "output_past",
    "prefix",
    "pruned_heads",
    "sep_token_id",
    "task_specific_params",
    "text_config_dict",
    "tf_legacy_loss",
    "tie_encoder_decoder",
    "tie_word_embeddings",
    "tokenizer_class",
    "torchscript",
    "transformers_version",
    "use_bfloat16",
    "vision_config_dict",
    "xla_device",
)
"""attributes that every model of transformers once wrote, whether it read them or not"""


def is_harmless(tensor: str, kind: str = "") -> bool:
    """Whether a tensor that a network of the class ``kind`` does not read is known to say nothing of a picture.

    >>> is_harmless("model_ema.decay"), is_harmless("structcond_stage_model.out.0.weight")
    (True, False)
    """
    return any(re.search(pattern, tensor) for pattern, _ in (*TENSORS, *OF_CLASSES.get(kind, ())))


def unknown_settings(config: dict[str, Any], known: Iterable[str]) -> list[str]:
    """Attributes that a network does not know, and that are neither harmless nor off (null, false, or empty).

    >>> unknown_settings({"_class_name": "A", "new": None, "odd": True, "width": 3}, ["width"])
    ['odd']
    """
    table = {*known, *SETTINGS, "quantization_config"}
    return sorted(
        key
        for key, value in config.items()
        if key not in table
        and not key.startswith("_")
        and not (value is None or value is False or value in ("", [], {}))
    )


def known_settings(kind: Any) -> set[str]:
    """What the configs of a network of diffusers may say."""
    return set(inspect.signature(kind.__init__).parameters) - {"self", "kwargs"}


@functools.cache
def known_text_settings(config_class: Any) -> frozenset[str]:
    """The same of transformers, which wrote the settings of text generation into every config."""
    import transformers

    # configs carry along what those of their kin say, such as num_channels
    kin = [getattr(transformers, name) for name in KIN]
    names = {key for one in (config_class, *kin) for key in (*one().to_dict(), *one.attribute_map, *one.sub_configs)}
    return frozenset({*names, *transformers.GenerationConfig().to_dict(), *OLD_SETTINGS})
