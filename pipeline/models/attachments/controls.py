"""ControlNets beside a Stable Diffusion U-Net (arXiv 2302.05543): any number of them, their residuals summed.

As in diffusers' MultiControlNetModel, each net's residuals times its scale are added up before the U-Net adds them.
"""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import torch
from accelerate import init_empty_weights
from diffusers import ControlNetModel
from diffusers.loaders.single_file_utils import convert_controlnet_checkpoint

from pipeline.models.files.architectures import looks_like
from pipeline.models.files.model_file import Control
from pipeline.models.files.strictness import Unread, quantised, unread_of_part, unread_tensors
from pipeline.models.files.tracing import origins, trace
from pipeline.models.files.weights import check_pickle, read_shapes, read_tensors, read_whole, variant, weight_files

FITTING = ("in_channels", "block_out_channels", "layers_per_block", "cross_attention_dim", "addition_embed_type")
"""what a ControlNet must have in common with its U-Net"""


def control_files(where: Path, name: str, *, allow_pickle: bool) -> list[Path]:
    """The files of a ControlNet at ``where``, a folder or a file: its config, if it has one, and its weights."""
    if where.is_file():
        return [check_pickle(where, name, allow_pickle=allow_pickle)]
    config = where / "config.json"
    if not config.is_file():
        raise FileNotFoundError(
            f"model {name}: the ControlNet {where.name} lacks config.json; expected diffusers' format"
        )
    return [config, *weight_files(where, name, allow_pickle=allow_pickle)]


def check_control(where: Path, config: dict[str, Any], unet: dict[str, Any], factor: int, name: str) -> None:
    """Refuse a ControlNet that does not fit the U-Net; both by their configs, ``factor`` pixels to a latent pixel.

    Raises ValueError, one line, naming what differs.
    """

    def refuse(fault: str) -> ValueError:
        return ValueError(f"model {name}: the ControlNet {where.name} does not fit the base: {fault}")

    if config.get("quantization_config"):
        raise ValueError(quantised(f"model {name}: the ControlNet {where.name}", config["quantization_config"]))
    if config.get("_class_name", "ControlNetModel") != "ControlNetModel":
        raise refuse(f"it is a {config['_class_name']}, expected a ControlNetModel")
    defaults = {key: p.default for key, p in inspect.signature(ControlNetModel.__init__).parameters.items()}
    for key in FITTING:
        mine, base = (_plain(table.get(key, defaults[key])) for table in (config, unet))
        if mine != base:
            raise refuse(f"{key} is {mine}, the U-Net's {base}")
    widths = config.get("conditioning_embedding_out_channels", defaults["conditioning_embedding_out_channels"])
    if config.get("conditioning_channels", 3) != 3 or 2 ** (len(widths) - 1) != factor:
        raise refuse(f"it must read pictures of 3 channels and shrink them by {factor}")
    if config.get("global_pool_conditions"):
        raise refuse("it pools its picture to one point, so it says nothing of structure")


def unread_of_control(where: Path, unet: dict[str, Any], files: list[Path], name: str) -> list[Unread]:
    """What nobody reads of a ControlNet that fits: of its folder, with these ``files``, or of a single file."""
    what = f"the ControlNet {where.name}"
    if where.is_dir():
        return unread_of_part(ControlNetModel, where, files, f"model {name}", what=what)
    tensors = trace(read_shapes(where))
    converted = [value for value in _converted(dict(tensors), control_config(unet)).values() if value is not None]
    return unread_tensors(what, set(tensors) - origins(converted))


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, list | tuple) else value


def control_config(unet: dict[str, Any]) -> dict[str, Any]:
    """The config of a ControlNet that is a copy of the U-Net's first half, as those in the original layout are."""
    known = inspect.signature(ControlNetModel.__init__).parameters
    return {key: value for key, value in unet.items() if key in known}


def check_control_file(where: Path, unet: dict[str, Any], name: str) -> None:
    """Refuse a single file whose tensors are not those of the U-Net's ControlNet. Raises ValueError, one line."""
    config = control_config(unet)
    with init_empty_weights():
        wanted = {key: tuple(value.shape) for key, value in ControlNetModel.from_config(config).state_dict().items()}
    meta = trace(read_shapes(where))
    if not any("zero_convs" in key or "controlnet_" in key for key in meta):
        looks = looks_like(meta)
        seems = "" if looks is None else f": it looks like {looks}"
        raise ValueError(f"model {name}: {where.name} is no ControlNet, it has no layers of one{seems}")
    shapes = {key: tuple(value.shape) for key, value in _converted(meta, config).items() if value is not None}
    if shapes != wanted:
        odd = min(key for key in wanted.keys() | shapes.keys() if wanted.get(key) != shapes.get(key))
        raise ValueError(
            f"model {name}: the ControlNet {where.name} does not fit the base: {odd} is "
            f"{_shape(shapes.get(odd))}, expected {_shape(wanted.get(odd))}"
        )


def _shape(shape: tuple[int, ...] | None) -> str:
    return "absent" if shape is None else " x ".join(map(str, shape))


def _converted(tensors: dict[str, torch.Tensor], config: dict[str, Any]) -> dict[str, torch.Tensor]:
    """Tensors by diffusers' names, from these or from the original layout."""
    table: dict[str, torch.Tensor] = convert_controlnet_checkpoint(tensors, config)
    return table


def load_control(where: Path, unet: dict[str, Any], dtype: torch.dtype, *, strict: bool = True) -> Any:
    """The network, from a folder or a single file. Raises ValueError, one line, where weights are missing."""
    if where.is_dir():
        form = {"variant": variant(where), "torch_dtype": dtype}
        return read_whole(ControlNetModel, where, f"the ControlNet {where}", strict=strict, **form)
    config = control_config(unet)
    with init_empty_weights():
        net = ControlNetModel.from_config(config)
    tensors = _converted(read_tensors(where), config)
    net.load_state_dict({key: tensor.to(dtype) for key, tensor in tensors.items()}, assign=True)
    return net


def sum_residuals(
    nets: list[tuple[Control, Any]],
    structure: dict[str, torch.Tensor],
    step: tuple[int, int] | None,
    latents: torch.Tensor,
    **inputs: Any,
) -> dict[str, Any]:
    """Arguments of the U-Net: the residuals of every net that acts and whose picture is shown; nothing where none is.

    ``structure`` and ``step``: as in Conditioning; ``inputs``: what both networks read besides the latents.
    """
    down: list[torch.Tensor] = []
    mid = None
    for control, net in nets:
        if control.sees not in structure or not control.acts_at(step):
            continue
        picture = structure[control.sees].to(latents.device, latents.dtype)
        down_one, mid_one = net(
            latents,
            controlnet_cond=picture.expand(-1, 3, -1, -1),
            conditioning_scale=control.scale,
            return_dict=False,
            **inputs,
        )
        down = [a + b for a, b in zip(down, down_one, strict=True)] if down else list(down_one)
        mid = mid_one if mid is None else mid + mid_one
    return {} if mid is None else {"down_block_additional_residuals": down, "mid_block_additional_residual": mid}
