"""How much a model computes: floating-point operations of one forward pass, counted without a weight or a number.

The networks are made on the meta device from their configs, called as the families call them, and torch counts the
convolutions and matrix products. What is left out is small: norms, activations, text encoders, image prompts.

Shape legend: B tiles, h w latent pixels of a tile, T tokens.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, ControlNetModel, UNet2DConditionModel
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from pipeline.models.attention.neighbourhood import surround

from .attention import joint as joint_neighbourhood
from .family import Family, Pass
from .protocol import Conditioning, Neighbourhood

META = torch.device("meta")


@lru_cache(maxsize=64)
def count_pass(family: Family, folder: Path, tokens: int, forward: Pass) -> int | None:
    """FLOPs of one pass, B = 1, one branch, of the model in ``folder``; None for a family that is not counted.

    ``tokens``: T.
    """
    return None if family.count_pass is None else family.count_pass(folder, tokens, forward)


@lru_cache(maxsize=64)
def count_codec(family: Family, folder: Path, half: str, height: int, width: int) -> int | None:
    """FLOPs of the autoencoder's ``encoder`` or ``decoder`` over ``height x width`` latent pixels; None likewise."""
    return None if family.count_codec is None else family.count_codec(folder, half, height, width)


@lru_cache(maxsize=64)
def count_restoration(family: Family, folder: Path, height: int, width: int, *, draws: bool) -> int | None:
    """FLOPs of the restoration module over ``height x width`` input pixels; None likewise. ``draws``: detail, too."""
    return None if family.count_restoration is None else family.count_restoration(folder, height, width, draws)


def count_autoencoder(
    folder: Path,
    half: str,
    height: int,
    width: int,
    *,
    kind: Any = AutoencoderKL,
    widths: str = "block_out_channels",
) -> int:
    """FLOPs of one part of an autoencoder of diffusers' class ``kind``; ``widths``: the setting with a number a level
    of its encoder."""
    vae = without_weights(folder, vae=kind)
    if half == "decoder":
        return count(lambda: vae.decode(zeros(1, vae.config.latent_channels, height, width)))
    factor = 2 ** (len(vae.config[widths]) - 1)
    return count(lambda: vae.encode(zeros(1, 3, height * factor, width * factor)))


def count_unet(folder: Path, tokens: int, forward: Pass) -> int:
    """A U-Net with cross-attention, and a ControlNet beside it for everything that is shown."""
    unet = without_weights(folder, unet=UNet2DConditionModel)
    config = unet.config
    sample = zeros(1, config.in_channels, forward.height, forward.width)
    added = None
    if config.addition_embed_type == "text_time":
        pooled = config.projection_class_embeddings_input_dim - 6 * config.addition_time_embed_dim
        added = {"text_embeds": zeros(1, pooled), "time_ids": zeros(1, 6)}
    inputs = {
        "timestep": zeros(1),
        "encoder_hidden_states": zeros(1, tokens, config.cross_attention_dim),
        "added_cond_kwargs": added,
    }
    networks = [unet]
    if forward.shows:
        networks.append(_control(folder, unet))
    with surround(networks, nearby(forward), sample):
        flops = count(lambda: unet(sample, **inputs))
        if forward.shows:
            control = networks[-1]
            flops += forward.shows * count(lambda: control(sample, controlnet_cond=_shown(control, forward), **inputs))
    return flops


def _control(folder: Path, unet: Any) -> Any:
    """The embedded model's ControlNet, or the usual one beside a U-Net: a copy of its first half."""
    if (folder / "controlnet" / "config.json").is_file():
        return without_weights(folder, controlnet=ControlNetModel)
    with META:
        return ControlNetModel.from_unet(unet, load_weights_from_unet=False)


def _shown(control: Any, forward: Pass) -> torch.Tensor:
    """[1, c, H, W]: the picture that a ControlNet reads."""
    config = control.config
    factor = 2 ** (len(config.conditioning_embedding_out_channels) - 1)
    return zeros(1, config.conditioning_channels, forward.height * factor, forward.width * factor)


def count_joint(net: Any, forward: Pass, *, patch: int, encoder_hidden_states: torch.Tensor, **inputs: Any) -> int:
    """A transformer over image and text; ``inputs``: what it is called with beside the time and the text."""
    conditioning = dataclasses.replace(nearby(forward), text=encoder_hidden_states)
    inputs |= {"pooled_projections": zeros(1, net.config.pooled_projection_dim), "timestep": zeros(1)}
    with joint_neighbourhood.surround(
        net, conditioning, (forward.height // patch, forward.width // patch), patch=patch
    ):
        return count(lambda: net(encoder_hidden_states=encoder_hidden_states, **inputs))


def nearby(forward: Pass) -> Conditioning:
    """What a pass attends to."""
    return Conditioning(
        neighbourhood=None if forward.neighbourhood is None else Neighbourhood(window=forward.neighbourhood)
    )


def without_weights(folder: Path, **kind: Any) -> Any:
    """The network of one part, ``part=class``, on the meta device."""
    ((part, network),) = kind.items()
    with META:
        return network.from_config(network.load_config(folder / part)).eval()


def zeros(*shape: int) -> torch.Tensor:
    """A tensor of that shape on the meta device."""
    return torch.zeros(*shape, device=META)


class _Counter(TorchDispatchMode):
    """Adds up what torch's table says of each operation; torch's own counter also follows modules, which is slow."""

    def __init__(self) -> None:
        super().__init__()
        self.total = 0

    def __torch_dispatch__(self, func: Any, _types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if (known := flop_registry.get(func._overloadpacket)) is not None:
            self.total += known(*args, **(kwargs or {}), out_val=result)
        return result


def count(run: Callable[[], object]) -> int:
    """FLOPs of what ``run`` does on the meta device."""
    # in inference mode a linear layer would come whole, and the table knows only its products
    with torch.no_grad(), _Counter() as counter:
        run()
    return int(counter.total)
