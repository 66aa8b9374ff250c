"""What a pipeline's configs ask of whoever runs its parts, beyond what is offered here: refused, never passed over.

diffusers' own pipelines read these fields outside of the networks (class labels, latent statistics, further
embeddings), so a network that loads may still be run wrongly.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from .configs import read_config
from .leftovers import unknown_settings
from .strictness import Unread, quantised


def square_side(value: Any) -> int | None:
    """Latent pixels a side of a U-Net's native canvas by its ``sample_size``, a number or two; None for no square.

    >>> square_side(64), square_side([64, 64]), square_side([64, 96])
    (64, 64, None)
    """
    if isinstance(value, list) and len(value) == 2 and value[0] == value[1]:
        value = value[0]
    return value if type(value) is int and value > 0 else None


def _none(value: Any) -> bool:
    return value is None


UNET: dict[str, tuple[Callable[[Any], bool], str]] = {
    "class_embed_type": (_none, "a class label beside each picture"),
    "num_class_embeds": (_none, "a class label beside each picture, as the x4 upscaler reads its noise level"),
    "encoder_hid_dim": (_none, "embeddings of another encoder"),
    "encoder_hid_dim_type": (_none, "embeddings of another encoder"),
    "attention_type": (lambda value: value in (None, "default"), "boxes with words, as GLIGEN does"),
    "addition_embed_type": (lambda value: value in (None, "text_time"), "further embeddings, as Kandinsky and IF do"),
    "sample_size": (lambda value: square_side(value) is not None, "a canvas that is no square"),
    "time_embedding_type": (lambda value: value in (None, "positional"), "noise levels in place of timesteps"),
}
"""field of a U-Net's config -> whether its value is offered, what another one reads"""


def _is_factor(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value > 0


VAE: dict[str, tuple[Callable[[Any], bool], str]] = {
    "latents_mean": (_none, "latents are shifted by means of their own, as Playground v2.5's"),
    "latents_std": (_none, "latents are divided by deviations of their own, as Playground v2.5's"),
    "scaling_factor": (_is_factor, "latents need one factor above 0"),
    "shift_factor": (
        lambda value: value is None or isinstance(value, int | float),
        "latents are shifted by one number",
    ),
    "in_channels": (lambda value: value == 3, "pictures have 3 channels"),
    "out_channels": (lambda value: value == 3, "pictures have 3 channels"),
}
"""field of an autoencoder's config -> whether its value is offered, what it means"""
INDEX: dict[str, tuple[Callable[[Any], bool], str]] = {
    "force_zeros_for_empty_prompt": (lambda value: isinstance(value, bool), ""),
    "requires_safety_checker": (lambda _value: True, ""),
    "add_watermarker": (lambda _value: True, ""),
    "gigatile": (lambda value: isinstance(value, dict), ""),
    "requires_aesthetics_score": (
        lambda value: not value,
        "a score beside each picture: it is a refiner of SDXL; give the base model",
    ),
    "is_cosxl_edit": (lambda value: not value, "a picture to edit beside the latents: it is CosXL Edit"),
    "is_distilled": (lambda value: not value, "no guidance, and nothing here knows its steps"),
}
"""setting of a pipeline in model_index.json -> whether its value is offered, what another one reads"""
BESIDE = ("safety_checker", "feature_extractor", "image_encoder", "watermark", "scheduler")
"""components that a picture is not made with here: filters, and encoders of pictures that prompt"""


def check_index(index: dict[str, Any], name: str) -> None:
    """Refuse settings of a pipeline that ask for what is not offered. Raises ValueError, one line."""
    for key, (offered, what) in INDEX.items():
        if key in index and not offered(index[key]):
            raise ValueError(f"model {name}: {key} is {index[key]!r} in model_index.json, so it reads {what or 'more'}")


def unread_of_index(index: dict[str, Any], parts: list[str]) -> list[Unread]:
    """Settings and components of a pipeline that nobody reads; ``parts``: folders that are."""
    read = {*INDEX, *BESIDE, *parts, *(part.replace("text_encoder", "tokenizer") for part in parts)}
    settings = {key: None if isinstance(value, list) and not any(value) else value for key, value in index.items()}
    odd = unknown_settings(settings, read)
    return [Unread(where="model_index.json", what="settings", names=tuple(odd))] if odd else []


def check_demands(folder: Path, kinds: dict[str, Any], name: str) -> None:
    """Refuse parts that ask for what is not offered; ``kinds``: folder of each part -> the class of its network.

    Raises ValueError, one line, naming the part, the field and what it is.
    """
    for part, kind in kinds.items():
        config = read_config(folder / part / "config.json", name)
        if config.get("quantization_config"):
            raise ValueError(quantised(f"model {name}: {part}", config["quantization_config"]))
        _check_class(config, kind, part, name)
    for part, table in (("unet", UNET), ("vae", VAE)):
        if part in kinds and kinds[part].__name__ in ("UNet2DConditionModel", "AutoencoderKL"):
            _check_fields(read_config(folder / part / "config.json", name), table, part, name)


def _check_class(config: dict[str, Any], kind: Any, part: str, name: str) -> None:
    """A config says which class wrote it; of transformers, which type of model."""
    stated, wanted = config.get("_class_name", kind.__name__), kind.__name__
    if not hasattr(kind, "load_config"):
        wanted = kind.config_class.model_type
        stated = config.get("model_type", wanted)
        # CLIP's halves are also written as the whole of it
        stated = wanted if stated == wanted.removesuffix("_text_model").removesuffix("_vision_model") else stated
    if stated != wanted:
        raise ValueError(f"model {name}: its {part} is a {stated}, expected a {wanted}: it is of another family")


def _check_fields(
    config: dict[str, Any], table: dict[str, tuple[Callable[[Any], bool], str]], part: str, name: str
) -> None:
    for key, (offered, what) in table.items():
        if key in config and not offered(config[key]):
            raise ValueError(
                f"model {name}: {key} is {config[key]!r} in {part}/config.json: {what}, which is not offered; give "
                "another model"
            )
    if part == "unet" and config.get("out_channels", 4) != config.get("in_channels", 4):
        read, made = config.get("in_channels", 4), config.get("out_channels", 4)
        if read == made // 2:
            raise ValueError(f"model {name}: its U-Net predicts variances too ({made} channels), which are not read")
