"""The weights of an IP-Adapter (arXiv 2308.06721) for descriptions: made new, found in a U-Net, named for its file."""

from __future__ import annotations

import torch
from diffusers import UNet2DConditionModel
from torch import nn

TOKENS = 4
"""tokens that a description becomes; what diffusers knows this kind of adapter by"""


def new_adapter(unet: UNet2DConditionModel, width: int, seed: int) -> dict[str, dict[str, torch.Tensor]]:
    """Weights of an IP-Adapter for descriptions of ``width`` numbers: its values are zeros, so it says nothing yet."""
    generator, text = torch.Generator().manual_seed(seed), unet.config.cross_attention_dim

    def linear(rows: int, columns: int) -> torch.Tensor:
        return torch.randn(rows, columns, generator=generator) * columns**-0.5

    projection = {
        "proj.weight": linear(TOKENS * text, width),
        "proj.bias": torch.zeros(TOKENS * text),
        "norm.weight": torch.ones(text),
        "norm.bias": torch.zeros(text),
    }
    crossed = [name for name in unet.attn_processors if name.endswith("attn2.processor")]
    modules = [unet.get_submodule(name.removesuffix(".processor")) for name in crossed]
    attention = {}
    for number, module in enumerate(modules):
        inner = module.to_k.out_features
        attention[f"{2 * number + 1}.to_k_ip.weight"] = linear(inner, text)
        attention[f"{2 * number + 1}.to_v_ip.weight"] = torch.zeros(inner, text)
    return {"image_proj": projection, "ip_adapter": attention}


def adapter_modules(unet: UNet2DConditionModel) -> nn.ModuleList:
    """What an adapter added to a U-Net: the projection, and a processor for every attention to the prompt."""
    processors = [one for one in unet.attn_processors.values() if hasattr(one, "to_k_ip")]
    return nn.ModuleList([unet.encoder_hid_proj, *processors])


def adapter_weights(modules: nn.ModuleList) -> dict[str, torch.Tensor]:
    """The weights by the names of an IP-Adapter's file."""
    projection = modules[0].image_projection_layers[0]
    found = {
        "image_proj.proj.weight": projection.image_embeds.weight,
        "image_proj.proj.bias": projection.image_embeds.bias,
        "image_proj.norm.weight": projection.norm.weight,
        "image_proj.norm.bias": projection.norm.bias,
    }
    for number, processor in enumerate(list(modules)[1:]):
        found[f"ip_adapter.{2 * number + 1}.to_k_ip.weight"] = processor.to_k_ip[0].weight
        found[f"ip_adapter.{2 * number + 1}.to_v_ip.weight"] = processor.to_v_ip[0].weight
    return {name: value.detach() for name, value in found.items()}
