"""Names of Stable Diffusion's tensors in its original layout, as in single checkpoints, from diffusers' names."""

from __future__ import annotations

import re

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
