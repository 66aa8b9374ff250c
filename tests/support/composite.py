"""Tiny attachments with random weights in the real on-disk formats, and model files that name them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from diffusers import ControlNetModel, UNet2DConditionModel
from safetensors.torch import save_file
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

from tests.support.tiny import write_stable_diffusion

SMALL_WIDTHS = (4, 8, 8, 8)
"""of the pictures' embedding: three halvings, as the real one has"""


def tiny_control(unet: UNet2DConditionModel, seed: int, widths: tuple[int, ...] = SMALL_WIDTHS) -> ControlNetModel:
    """A ControlNet that fits the U-Net; what a fresh one has at zero is random, so that it says something."""
    torch.manual_seed(seed)
    net = ControlNetModel.from_unet(unet, conditioning_embedding_out_channels=widths, load_weights_from_unet=False)
    for parameter in (*net.controlnet_down_blocks.parameters(), *net.controlnet_mid_block.parameters()):
        torch.nn.init.normal_(parameter, std=0.3)
    torch.nn.init.normal_(net.controlnet_cond_embedding.conv_out.weight, std=0.3)
    return net.eval()


def write_control(folder: Path, base: Path, seed: int, widths: tuple[int, ...] = SMALL_WIDTHS) -> Path:
    """A ControlNet's folder for the base in ``base``."""
    unet = UNet2DConditionModel.from_pretrained(base / "unet")
    tiny_control(unet, seed, widths).save_pretrained(folder)
    return folder


def write_composite(folder: Path, **kind: Any) -> Path:
    """A model file over a tiny base (see write_stable_diffusion for ``kind``) with two ControlNets; gives its path."""
    base = write_stable_diffusion(folder / "base", **kind)
    write_control(folder / "canny", base, seed=11)
    write_control(folder / "tile", base, seed=12)
    path = folder / "model.toml"
    path.write_text(
        'base = "base"\n'
        '[[controls]]\nmodel = "canny"\nsees = "edges"\nscale = 0.8\n'
        '[[controls]]\nmodel = "tile"\nsees = "image"\nscale = 0.5\n'
    )
    return path


def low_rank(weight: torch.Tensor, rank: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Random ``down`` and ``up`` for a weight: [rank, in (, y, x)] and [out, rank (, 1, 1)]."""
    down = torch.randn(rank, *weight.shape[1:]) / 4
    up = torch.randn(len(weight), rank) / 4
    return down, up.reshape(*up.shape, *[1 for _ in weight.shape[2:]])


def write_image_encoder(folder: Path) -> Path:
    """A CLIP vision model that sees pictures of 32 pixels a side."""
    torch.manual_seed(21)
    config = CLIPVisionConfig(
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        image_size=32,
        patch_size=8,
        projection_dim=12,
    )
    CLIPVisionModelWithProjection(config).save_pretrained(folder)
    return folder


def image_adapter_tensors(base: Path, *, plus: bool = False) -> dict[str, torch.Tensor]:
    """An IP-Adapter for a base as its authors' files have it; ``plus`` reads tokens of the encoder's hidden layer."""
    unet = UNet2DConditionModel.from_pretrained(base / "unet")
    rng, cross = torch.Generator().manual_seed(22), unet.config.cross_attention_dim
    shapes: dict[str, tuple[int, ...]] = {}
    if plus:
        inner = 8
        shapes |= {"latents": (1, 4, inner), "proj_in.weight": (inner, 16), "proj_in.bias": (inner,)}
        shapes |= {"proj_out.weight": (cross, inner), "proj_out.bias": (cross,), "norm_out.weight": (cross,)}
        shapes |= {"norm_out.bias": (cross,)}
        for layer in range(4):
            attention, feed = f"layers.{layer}.0", f"layers.{layer}.1"
            for norm in (f"{attention}.norm1", f"{attention}.norm2", f"{feed}.0"):
                shapes |= {f"{norm}.weight": (inner,), f"{norm}.bias": (inner,)}
            shapes |= {f"{attention}.to_q.weight": (64, inner), f"{attention}.to_kv.weight": (128, inner)}
            shapes |= {f"{attention}.to_out.weight": (inner, 64)}
            shapes |= {f"{feed}.1.weight": (4 * inner, inner), f"{feed}.3.weight": (inner, 4 * inner)}
    else:
        shapes |= {"proj.weight": (4 * cross, 12), "proj.bias": (4 * cross,)}
        shapes |= {"norm.weight": (cross,), "norm.bias": (cross,)}
    tensors = {f"image_proj.{key}": torch.randn(shape, generator=rng) / 2 for key, shape in shapes.items()}
    names = [name for name in unet.attn_processors if not name.endswith("attn1.processor")]
    for place, name in enumerate(names):
        key = unet.get_submodule(name.removesuffix(".processor")).to_k.weight
        for kind in ("k", "v"):
            tensors[f"ip_adapter.{2 * place + 1}.to_{kind}_ip.weight"] = torch.randn(key.shape, generator=rng) / 2
    return tensors


def write_image_adapter(folder: Path, base: Path, *, plus: bool = False) -> str:
    """An adapter and its encoder in ``folder``, and the lines of a model file there that name them."""
    folder.mkdir(parents=True, exist_ok=True)
    write_image_encoder(folder / "encoder")
    save_file(image_adapter_tensors(base, plus=plus), folder / "ip.safetensors")
    return f'[image_adapter]\nmodel = "{folder / "ip.safetensors"}"\nencoder = "{folder / "encoder"}"\nscale = 0.6\n'
