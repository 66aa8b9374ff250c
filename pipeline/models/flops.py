"""How much a model computes: floating-point operations of one forward pass, counted without a weight or a number.

The networks are made on the meta device from their configs, called as the adapters call them, and torch counts the
convolutions and matrix products. What is left out is small: norms, activations, text encoders, image prompts.

Shape legend: B tiles, h w latent pixels of a tile, T tokens.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from diffusers import (
    AutoencoderDC,
    AutoencoderKL,
    ControlNetModel,
    FluxTransformer2DModel,
    SD3Transformer2DModel,
    UNet2DConditionModel,
)
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from pipeline.models.attention.neighbourhood import surround
from pipeline.models.embedded.generator import Generator
from pipeline.models.families.flux import image_ids
from pipeline.models.families.stable_diffusion_3 import CLIP_TOKENS, SEQUENCE_TOKENS

from .attention import joint as joint_neighbourhood
from .protocol import Conditioning, Neighbourhood

META = torch.device("meta")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pass:
    """One forward pass of the denoiser over one tile."""

    height: int
    """latent pixels along y"""
    width: int
    neighbourhood: int | None = None
    """latent pixels a side of what a place attends to; None for a whole tile"""
    shows: int = 0
    """ControlNets that run beside it"""
    imagines: bool = False
    """whether the embedded model's generator runs before it"""


@lru_cache(maxsize=64)
def count_pass(family: str, folder: Path, tokens: int, one: Pass) -> int | None:
    """FLOPs of one pass, B = 1, one branch, of the model in ``folder``; None for a family that is not counted.

    ``family``: the adapter's name, as ModelCard has it; ``tokens``: T.
    """
    counter = _COUNTERS.get(family)
    return None if counter is None else counter(folder, tokens, one)


@lru_cache(maxsize=64)
def count_codec(family: str, folder: Path, part: str, height: int, width: int) -> int | None:
    """FLOPs of the autoencoder's ``encoder`` or ``decoder`` over ``height x width`` latent pixels; None likewise."""
    if family not in _COUNTERS:
        return None
    kind: Any = AutoencoderDC if family == "embedded" else AutoencoderKL
    vae = _bare(folder, vae=kind)
    config = vae.config
    if part == "decoder":
        return _count(lambda: vae.decode(_zeros(1, config.latent_channels, height, width)))
    widths = config.encoder_block_out_channels if family == "embedded" else config.block_out_channels
    factor = 2 ** (len(widths) - 1)
    return _count(lambda: vae.encode(_zeros(1, 3, height * factor, width * factor)))


def _count_unet(folder: Path, tokens: int, one: Pass) -> int:
    unet = _bare(folder, unet=UNet2DConditionModel)
    config = unet.config
    seen = _zeros(1, config.in_channels, one.height, one.width)
    added = None
    if config.addition_embed_type == "text_time":
        pooled = config.projection_class_embeddings_input_dim - 6 * config.addition_time_embed_dim
        added = {"text_embeds": _zeros(1, pooled), "time_ids": _zeros(1, 6)}
    given = {
        "timestep": _zeros(1),
        "encoder_hidden_states": _zeros(1, tokens, config.cross_attention_dim),
        "added_cond_kwargs": added,
    }
    networks = [unet]
    if one.shows:
        networks.append(_control(folder, unet))
    with surround(networks, _nearby(one), seen):
        flops = _count(lambda: unet(seen, **given))
        if one.shows:
            control = networks[-1]
            flops += one.shows * _count(lambda: control(seen, controlnet_cond=_shown(control, one), **given))
    return flops + (_count_generator(folder, tokens, one) if one.imagines else 0)


def _count_generator(folder: Path, tokens: int, one: Pass) -> int:
    generator = _bare(folder, generator=Generator)
    unet = generator.unet
    seen = _zeros(1, unet.config.in_channels, one.height, one.width)
    with surround([unet], _nearby(one), seen):
        return _count(lambda: generator(seen, _zeros(1), _zeros(1, tokens, unet.config.cross_attention_dim), _zeros(1)))


def _control(folder: Path, unet: Any) -> Any:
    """The embedded model's ControlNet, or the usual one beside a U-Net: a copy of its first half."""
    if (folder / "controlnet" / "config.json").is_file():
        return _bare(folder, controlnet=ControlNetModel)
    with META:
        return ControlNetModel.from_unet(unet, load_weights_from_unet=False)


def _shown(control: Any, one: Pass) -> torch.Tensor:
    """[1, c, H, W]: the picture that a ControlNet reads."""
    config = control.config
    factor = 2 ** (len(config.conditioning_embedding_out_channels) - 1)
    return _zeros(1, config.conditioning_channels, one.height * factor, one.width * factor)


def _count_flux(folder: Path, tokens: int, one: Pass) -> int:
    net = _bare(folder, transformer=FluxTransformer2DModel)
    rows, cols, config = one.height // 2, one.width // 2, net.config
    return _count_joint(
        net,
        one,
        patch=2,
        hidden_states=_zeros(1, rows * cols, config.in_channels),
        encoder_hidden_states=_zeros(1, tokens, config.joint_attention_dim),
        guidance=_zeros(1) if config.guidance_embeds else None,
        img_ids=image_ids(rows, cols).to(META),
        txt_ids=_zeros(tokens, 3),
    )


def _count_sd3(folder: Path, _tokens: int, one: Pass) -> int:
    net = _bare(folder, transformer=SD3Transformer2DModel)
    return _count_joint(
        net,
        one,
        patch=net.config.patch_size,
        hidden_states=_zeros(1, net.config.in_channels, one.height, one.width),
        # both, whether there is a T5 or not
        encoder_hidden_states=_zeros(1, CLIP_TOKENS + SEQUENCE_TOKENS, net.config.joint_attention_dim),
    )


def _count_joint(net: Any, one: Pass, *, patch: int, encoder_hidden_states: torch.Tensor, **given: Any) -> int:
    """A transformer over image and text; ``given``: what it is called with beside the time and the text."""
    conditioning = dataclasses.replace(_nearby(one), text=encoder_hidden_states)
    given |= {"pooled_projections": _zeros(1, net.config.pooled_projection_dim), "timestep": _zeros(1)}
    with joint_neighbourhood.surround(net, conditioning, (one.height // patch, one.width // patch), patch=patch):
        return _count(lambda: net(encoder_hidden_states=encoder_hidden_states, **given))


def _nearby(one: Pass) -> Conditioning:
    return Conditioning(neighbourhood=None if one.neighbourhood is None else Neighbourhood(window=one.neighbourhood))


def _bare(folder: Path, **kind: Any) -> Any:
    ((part, network),) = kind.items()
    with META:
        return network.from_config(network.load_config(folder / part)).eval()


def _zeros(*shape: int) -> torch.Tensor:
    return torch.zeros(*shape, device=META)


class _Counter(TorchDispatchMode):
    """Adds up what torch's table says of each operation; torch's own counter also follows modules, which is slow."""

    def __init__(self) -> None:
        super().__init__()
        self.total = 0

    def __torch_dispatch__(self, func: Any, _types: Any, args: Any = (), kwargs: Any = None) -> Any:
        found = func(*args, **(kwargs or {}))
        if (known := flop_registry.get(func._overloadpacket)) is not None:
            self.total += known(*args, **(kwargs or {}), out_val=found)
        return found


def _count(run: Callable[[], object]) -> int:
    # in inference mode a linear layer would come whole, and the table knows only its products
    with torch.no_grad(), _Counter() as counter:
        run()
    return int(counter.total)


_COUNTERS: dict[str, Callable[[Path, int, Pass], int]] = {
    "embedded": _count_unet,
    "stable_diffusion": _count_unet,
    "flux": _count_flux,
    "stable_diffusion_3": _count_sd3,
}
"""adapter -> what counts its denoiser; the analytic model computes next to nothing"""
