"""Stable Diffusion in one file, in the layout of its authors: all networks, but neither configs nor tokenizers.

Those come from a folder in diffusers' format, which may be without weights: a model file's ``config``, or else from the
hub, where each family's home is known to diffusers. The tensors' names are converted by diffusers' own functions, and
every network must be filled.
"""

from __future__ import annotations

import json
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

from .hub import locate
from .networks import skeleton
from .weights import check_pickle, read_shapes, read_tensors

KINDS = ("v1", "v2", "xl_base")
"""diffusers' names of the families that are read"""
CLIP = {"text_encoder": ("cond_stage_model.transformer.", "conditioner.embedders.0.transformer.")}
OPEN_CLIP = {"text_encoder": ("cond_stage_model.model.",), "text_encoder_2": ("conditioner.embedders.1.model.",)}
"""how the names of text encoders' tensors begin: those of CLIP and those of OpenCLIP, which have names of their own"""


def find_configs(checkpoint: Path, config: str | None, name: str, *, allow_pickle: bool) -> Path:
    """The folder with the checkpoint's configs and tokenizers. Raises FileNotFoundError or ValueError, one line."""
    check_pickle(checkpoint, name, allow_pickle=allow_pickle)
    if config is not None:
        return locate(config, name, configs_only=True)
    shapes = _on_meta(checkpoint)
    kind = infer_diffusers_model_type(shapes)
    if kind not in KINDS:
        raise ValueError(f"model {name}: no adapter for a single file of the kind {kind}; expected {', '.join(KINDS)}")
    home = fetch_diffusers_config(shapes)["pretrained_model_name_or_path"]
    try:
        return locate(home, name, configs_only=True)
    except FileNotFoundError as e:
        raise FileNotFoundError(
            f"model {name}: a single file has no configs and tokenizers, and the hub did not give those of {home}; "
            "name a folder that has them in a model file: base = the file, config = the folder"
        ) from e


def _on_meta(checkpoint: Path) -> dict[str, torch.Tensor]:
    return {key: torch.empty(shape, device="meta") for key, shape in read_shapes(checkpoint).items()}


def check_checkpoint(checkpoint: Path, folder: Path, name: str) -> None:
    """Refuse a checkpoint that does not fill the networks of the configs in ``folder``. Raises ValueError, one line."""
    _parts(_on_meta(checkpoint), skeleton(folder), folder, f"model {name}: the checkpoint {checkpoint.name}")


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
    found: dict[str, dict[str, Any]] = {}
    for part, network in networks.items():
        config = json.loads((folder / part / "config.json").read_text(encoding="utf-8"))
        try:
            converted = _convert(part, tensors, network, config)
        except KeyError as e:
            raise ValueError(f"{what} lacks {e.args[0]}: its configs are of another family") from e
        found[part] = {}
        for key, wanted in network.state_dict().items():
            tensor = converted.get(key)
            if tensor is None or tensor.shape != wanted.shape:
                shape = "absent" if tensor is None else tuple(tensor.shape)
                raise ValueError(
                    f"{what} does not fit its configs: {part} {key} is {shape}, expected {tuple(wanted.shape)}"
                )
            found[part][key] = tensor
    return found


def _convert(part: str, tensors: dict[str, torch.Tensor], network: nn.Module, config: dict[str, Any]) -> dict[str, Any]:
    if part == "unet":
        return convert_ldm_unet_checkpoint(dict(tensors), config)
    if part == "vae":
        return convert_ldm_vae_checkpoint(dict(tensors), config)
    found: dict[str, Any] = {}
    if (prefix := _beginning(CLIP.get(part, ()), tensors)) is not None:
        found = {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}
    elif (prefix := _beginning(OPEN_CLIP[part], tensors)) is not None:
        found = convert_open_clip_checkpoint(network, tensors, prefix=prefix)
    # one of transformers' two classes has its layers below text_model
    return found if hasattr(network, "text_model") else {k.removeprefix("text_model."): v for k, v in found.items()}


def _beginning(known: tuple[str, ...], tensors: dict[str, torch.Tensor]) -> str | None:
    return next((one for one in known if any(key.startswith(one) for key in tensors)), None)
