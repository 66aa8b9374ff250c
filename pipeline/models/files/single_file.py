"""Stable Diffusion in one file, in the layout of its authors: all networks, but neither configs nor tokenizers.

Those come from a folder in diffusers' format, which may be without weights: a model file's ``config``, or else from the
hub, where each family's home is known to diffusers. The tensors' names are converted by diffusers' own functions, and
every network must be filled.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from diffusers.loaders.single_file_utils import (
    convert_ldm_unet_checkpoint,
    convert_ldm_vae_checkpoint,
    convert_open_clip_checkpoint,
    fetch_diffusers_config,
    infer_diffusers_model_type,
)
from torch import nn

from .architectures import looks_like
from .configs import read_config
from .hub import locate
from .model_file import CHECKPOINTS
from .networks import skeleton
from .strictness import Unread, unread_tensors
from .tracing import origins, trace
from .weights import check_pickle, read_shapes, read_tensors

KINDS = ("v1", "v2", "xl_base")
"""diffusers' names of the families that are read"""
UNET = "model.diffusion_model."
"""how the names of the U-Net's tensors begin"""
MARKS: dict[str, tuple[str, Any]] = {
    "v_pred": ("prediction_type", "v_prediction"),
    "ztsnr": ("rescale_betas_zero_snr", True),
}
"""tensors without a use that tell of training, as NoobAI's -> setting of the scheduler and its value"""
CLIP = {"text_encoder": ("cond_stage_model.transformer.", "conditioner.embedders.0.transformer.")}
OPEN_CLIP = {"text_encoder": ("cond_stage_model.model.",), "text_encoder_2": ("conditioner.embedders.1.model.",)}
"""how the names of text encoders' tensors begin: those of CLIP and those of OpenCLIP, which have names of their own"""


def find_configs(checkpoint: Path, config: str | None, name: str, *, allow_pickle: bool, strict: bool = True) -> Path:
    """The folder with the checkpoint's configs and tokenizers. Raises FileNotFoundError or ValueError, one line."""
    if checkpoint.suffix not in CHECKPOINTS:
        raise ValueError(f"model {name}: {checkpoint.name} is no file of weights; expected {', '.join(CHECKPOINTS)}")
    check_pickle(checkpoint, name, allow_pickle=allow_pickle)
    if config is not None:
        return locate(config, name, configs_only=True)
    shapes = trace(read_shapes(checkpoint))
    _check_kind(shapes, checkpoint, name, strict=strict)
    home = fetch_diffusers_config(shapes)["pretrained_model_name_or_path"]
    try:
        return locate(home, name, configs_only=True)
    except FileNotFoundError as e:
        raise FileNotFoundError(
            f"model {name}: a single file has no configs and tokenizers, and the hub did not give those of {home}; "
            "name a folder that has them in a model file: base = the file, config = the folder"
        ) from e


def _check_kind(shapes: dict[str, torch.Tensor], checkpoint: Path, name: str, *, strict: bool) -> None:
    """Refuse a file of another family, by its tensors' names: diffusers takes all that it does not know for SD 1.

    Raises ValueError, one line, with what it looks like.
    """
    kind, looks = infer_diffusers_model_type(shapes), looks_like(shapes)
    seems = "" if looks is None else f": it looks like {looks}"
    if kind not in KINDS:
        raise ValueError(
            f"model {name}: no adapter for a single file of the kind {kind}; expected {', '.join(KINDS)}{seems}"
        )
    _check_unet(shapes, checkpoint, name)
    if strict and looks is not None:
        raise ValueError(
            f"model {name}: {checkpoint.name} is no plain Stable Diffusion{seems}, which has no adapter here; give a "
            "model of a family that is read, or drop what is not read: --set model.strict=false"
        )


def _check_unet(shapes: dict[str, torch.Tensor], checkpoint: Path, name: str) -> None:
    """Refuse a file without a U-Net by its authors' names. Raises ValueError, one line, with what it looks like."""
    if not any(key.startswith(UNET) for key in shapes):
        looks = looks_like(shapes)
        seems = hint(shapes) if looks is None else f": it looks like {looks}"
        raise ValueError(
            f"model {name}: {checkpoint.name} is no Stable Diffusion in its authors' layout, it has no {UNET}*{seems}"
        )


def hint(names: Iterable[str]) -> str:
    """What to do with a file that has no U-Net by the names of its authors, where its names tell."""
    parts = {name.partition(".")[0] for name in names}
    if {"down_blocks", "up_blocks"} <= parts:
        return ": it is a part of a folder in diffusers' format; give the folder"
    if parts & {"encoder", "decoder", "first_stage_model"} and not parts & {"model"}:
        return ": it is an autoencoder alone"
    return f", but such as {min(names)}" if names else ", nor any other"


def check_checkpoint(checkpoint: Path, folder: Path, name: str) -> list[Unread]:
    """What nobody reads of a checkpoint. Raises ValueError, one line, where it does not fill the networks of the
    configs in ``folder``, or the configs say of what the model predicts otherwise than the checkpoint."""
    tensors, what = trace(read_shapes(checkpoint)), f"the checkpoint {checkpoint.name}"
    _check_unet(tensors, checkpoint, name)
    filled = _parts(tensors, skeleton(folder), folder, f"model {name}: {what}")
    left = set(tensors).difference(*(origins(state.values()) for state in filled.values()))
    return unread_tensors(what, left - _said_by_scheduler(left, folder, f"model {name}: {what}"))


def _said_by_scheduler(names: set[str], folder: Path, what: str) -> set[str]:
    """Tensors that say how the model was trained: their presence is all that they tell, and the scheduler must agree.

    Raises ValueError, one line, beginning with ``what``, where it does not.
    """
    stated = names & MARKS.keys()
    config = read_config(folder / "scheduler" / "scheduler_config.json", folder.name) if stated else {}
    for name in sorted(stated):
        key, value = MARKS[name]
        if config.get(key) != value:
            raise ValueError(
                f"{what} has the mark {name}: its scheduler/scheduler_config.json must say {key} = "
                f"{str(value).lower()}, it says {config.get(key)}: mend it in the folder of its configs"
            )
    return stated


def read_checkpoint(checkpoint: Path, folder: Path, dtype: torch.dtype) -> dict[str, nn.Module]:
    """Networks as networks.read_networks gives them."""
    networks = skeleton(folder)
    for part, tensors in _parts(read_tensors(checkpoint), networks, folder, f"checkpoint {checkpoint.name}").items():
        kept = torch.float32 if part == "vae" else dtype
        networks[part].load_state_dict({key: tensor.to(kept) for key, tensor in tensors.items()}, assign=True)
    return networks


def _parts(
    tensors: dict[str, torch.Tensor], networks: dict[str, nn.Module], folder: Path, what: str
) -> dict[str, dict[str, torch.Tensor]]:
    """The state of every network, by diffusers' names. Raises ValueError, beginning with ``what``, for what lacks."""
    weights: dict[str, dict[str, Any]] = {}
    for part, network in networks.items():
        config = read_config(folder / part / "config.json", folder.name)
        try:
            converted = _convert(part, tensors, network, config)
        except KeyError as e:
            raise ValueError(f"{what} lacks {e.args[0]}: its configs are of another family") from e
        weights[part] = {}
        for key, wanted in network.state_dict().items():
            tensor = converted.get(key)
            if tensor is None or tensor.shape != wanted.shape:
                shape = "absent" if tensor is None else tuple(tensor.shape)
                raise ValueError(
                    f"{what} does not fit its configs: {part} {key} is {shape}, expected {tuple(wanted.shape)}"
                )
            weights[part][key] = tensor
    return weights


def _convert(part: str, tensors: dict[str, torch.Tensor], network: nn.Module, config: dict[str, Any]) -> dict[str, Any]:
    if part == "unet":
        return convert_ldm_unet_checkpoint(dict(tensors), config)
    if part == "vae":
        return convert_ldm_vae_checkpoint(dict(tensors), config)
    converted: dict[str, Any] = {}
    if (prefix := _beginning(CLIP.get(part, ()), tensors)) is not None:
        converted = {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}
    elif (prefix := _beginning(OPEN_CLIP[part], tensors)) is not None:
        converted = convert_open_clip_checkpoint(network, tensors, prefix=prefix)
    # one of transformers' two classes has its layers below text_model
    return (
        converted
        if hasattr(network, "text_model")
        else {k.removeprefix("text_model."): v for k, v in converted.items()}
    )


def _beginning(known: tuple[str, ...], tensors: dict[str, torch.Tensor]) -> str | None:
    return next((one for one in known if any(key.startswith(one) for key in tensors)), None)
