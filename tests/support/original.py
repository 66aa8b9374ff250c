"""Names of Stable Diffusion's tensors in its original layout, as in single checkpoints, from diffusers' names."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from safetensors.torch import load_file, save_file

OUTSIDE = {
    "conv_in": "input_blocks.0.0",
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "add_embedding.linear_1": "label_emb.0.0",
    "add_embedding.linear_2": "label_emb.0.2",
    "conv_norm_out": "out.0",
    "conv_out": "out.2",
}
RESNET = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
}


def original_unet_path(path: str, *, layers: int, has_attention: tuple[bool, ...]) -> str:
    """A module's path in the original U-Net; ``layers`` a block, ``has_attention`` of each up block.

    >>> original_unet_path("down_blocks.1.resnets.0.conv1", layers=1, has_attention=(True, False))
    'input_blocks.3.0.in_layers.2'
    """
    if path in OUTSIDE:
        return OUTSIDE[path]
    if mid := re.fullmatch(r"mid_block\.(resnets|attentions)\.(\d)\.(.*)", path):
        place = 1 if mid[1] == "attentions" else 2 * int(mid[2])
        return f"middle_block.{place}.{RESNET.get(mid[3], mid[3])}"
    if hint := re.fullmatch(r"controlnet_cond_embedding\.(conv_in|conv_out|blocks\.(\d))", path):
        return f"input_hint_block.{ {'conv_in': 0, 'conv_out': 14}.get(hint[1], 2 * int(hint[2] or 0) + 2) }"
    if path == "controlnet_mid_block":
        return "middle_block_out.0"
    if zero := re.fullmatch(r"controlnet_down_blocks\.(\d+)", path):
        return f"zero_convs.{zero[1]}.0"
    found = re.fullmatch(r"(down|up)_blocks\.(\d)\.(\w+)\.(\d)\.(.*)", path)
    assert found is not None, path
    side, block, kind, index, rest = found[1], int(found[2]), found[3], int(found[4]), found[5]
    if side == "down":
        if kind == "downsamplers":
            return f"input_blocks.{(layers + 1) * (block + 1)}.0.op"
        place = f"input_blocks.{(layers + 1) * block + index + 1}"
    else:
        if kind == "upsamplers":
            return f"output_blocks.{(layers + 1) * block + layers}.{2 if has_attention[block] else 1}.conv"
        place = f"output_blocks.{(layers + 1) * block + index}"
    return f"{place}.0.{RESNET[rest]}" if kind == "resnets" else f"{place}.1.{rest}"


def original_unet(tensors: dict[str, torch.Tensor], layers: int, has_attention: tuple[bool, ...]) -> dict[str, Any]:
    """A U-Net's or ControlNet's tensors by their original names, without the prefix of the network."""
    found = {}
    for key, value in tensors.items():
        path, _, last = key.rpartition(".")
        found[f"{original_unet_path(path, layers=layers, has_attention=has_attention)}.{last}"] = value
    return found


def original_vae(tensors: dict[str, torch.Tensor], levels: int) -> dict[str, torch.Tensor]:
    """An autoencoder's: its attention are convolutions there, its decoder counts its levels from the picture."""
    names = {
        r"(encoder|decoder)\.mid_block\.attentions\.0\.group_norm": r"\1.mid.attn_1.norm",
        r"(encoder|decoder)\.mid_block\.attentions\.0\.to_([qkv])": r"\1.mid.attn_1.\2",
        r"(encoder|decoder)\.mid_block\.attentions\.0\.to_out\.0": r"\1.mid.attn_1.proj_out",
        r"(encoder|decoder)\.conv_norm_out": r"\1.norm_out",
        r"encoder\.down_blocks\.(\d)\.resnets\.(\d)": r"encoder.down.\1.block.\2",
        r"encoder\.down_blocks\.(\d)\.downsamplers\.0": r"encoder.down.\1.downsample",
    }
    found = {}
    for key, value in tensors.items():
        name = key.replace("conv_shortcut", "nin_shortcut")
        for pattern, there in names.items():
            name = re.sub(pattern, there, name)
        name = re.sub(r"mid_block\.resnets\.(\d)", lambda m: f"mid.block_{int(m[1]) + 1}", name)
        name = re.sub(r"up_blocks\.(\d)\.upsamplers\.0", lambda m: f"up.{levels - 1 - int(m[1])}.upsample", name)
        name = re.sub(r"up_blocks\.(\d)\.resnets", lambda m: f"up.{levels - 1 - int(m[1])}.block", name)
        linear = ".mid.attn_1." in name and name.endswith("weight") and value.ndim == 2
        found[name] = value[..., None, None].contiguous() if linear else value
    return found


def original_open_clip(tensors: dict[str, torch.Tensor], width: int) -> dict[str, torch.Tensor]:
    """A text encoder's in OpenCLIP's names: queries, keys and values are one tensor, the projection is transposed."""
    plain = {key.removeprefix("text_model."): value for key, value in tensors.items()}
    found = {
        "positional_embedding": plain["embeddings.position_embedding.weight"],
        "token_embedding.weight": plain["embeddings.token_embedding.weight"],
        "ln_final.weight": plain["final_layer_norm.weight"],
        "ln_final.bias": plain["final_layer_norm.bias"],
        "text_projection": plain.get("text_projection.weight", torch.zeros(width, width)).T.contiguous(),
    }
    names = {"layer_norm1": "ln_1", "layer_norm2": "ln_2", "mlp.fc1": "mlp.c_fc", "mlp.fc2": "mlp.c_proj"}
    for key, value in plain.items():
        if not (layer := re.fullmatch(r"encoder\.layers\.(\d)\.(.*)\.(weight|bias)", key)):
            continue
        at, what, last = f"transformer.resblocks.{layer[1]}", layer[2], layer[3]
        if what == "self_attn.q_proj":
            three = [plain[f"encoder.layers.{layer[1]}.self_attn.{one}_proj.{last}"] for one in "qkv"]
            found[f"{at}.attn.in_proj_{last}"] = torch.cat(three)
        elif what == "self_attn.out_proj":
            found[f"{at}.attn.out_proj.{last}"] = value
        elif what in names:
            found[f"{at}.{names[what]}.{last}"] = value
    return found


def original_tensors(base: Path) -> dict[str, torch.Tensor]:
    """All networks of a tiny folder (tests.support.tiny.write_stable_diffusion) as one checkpoint has them."""
    unet = UNet2DConditionModel.from_pretrained(base / "unet")
    vae = AutoencoderKL.from_pretrained(base / "vae")
    has_attention = tuple(kind.startswith("Cross") for kind in unet.config.up_block_types)
    tensors = {
        f"model.diffusion_model.{key}": value
        for key, value in original_unet(unet.state_dict(), unet.config.layers_per_block, has_attention).items()
    }
    levels = len(vae.config.block_out_channels)
    tensors |= {f"first_stage_model.{k}": v for k, v in original_vae(vae.state_dict(), levels).items()}
    texts = [load_file(path) for path in sorted(base.glob("text_encoder*/model.safetensors"))]
    first = {f"text_model.{key.removeprefix('text_model.')}": value for key, value in texts[0].items()}
    if len(texts) == 2:
        tensors |= {f"conditioner.embedders.0.transformer.{key}": value for key, value in first.items()}
        second = original_open_clip(texts[1], width=16)
        tensors |= {f"conditioner.embedders.1.model.{key}": value for key, value in second.items()}
    elif unet.config.use_linear_projection:
        tensors |= {f"cond_stage_model.model.{k}": v for k, v in original_open_clip(first, width=16).items()}
    else:
        tensors |= {f"cond_stage_model.transformer.{key}": value for key, value in first.items()}
    return tensors


def write_checkpoint(path: Path, base: Path) -> Path:
    save_file({key: value.contiguous() for key, value in original_tensors(base).items()}, path)
    return path
