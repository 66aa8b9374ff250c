"""Which group norms an AutoencoderKL has, in which order they run, and how much work comes before each.

Found by running the network without data (torch's meta device), since modules are not kept in the order they run in.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import torch
from diffusers import AutoencoderKL


@dataclass(frozen=True, slots=True, kw_only=True)
class NormOrder:
    """The group norms of one network."""

    names: tuple[str, ...]
    """of the modules, in the order in which they run"""
    work: tuple[float, ...]
    """share of the multiplications of the network's convolutions and projections that come before each, 0 to 1"""
    groups: int
    """channel groups of each norm"""


def find_norms(config: Mapping[str, Any]) -> dict[str, NormOrder]:
    """The norms of an AutoencoderKL's ``encoder`` and ``decoder``, from its config; no weight is made.

    Raises ValueError, one line, for a config that is none of an AutoencoderKL.
    """
    return _find(json.dumps({key: value for key, value in config.items() if not key.startswith("_")}, sort_keys=True))


@functools.lru_cache(maxsize=8)
def _find(config: str) -> dict[str, NormOrder]:
    try:
        with torch.device("meta"):
            vae = AutoencoderKL.from_config(json.loads(config))
            factor = 2 ** (len(vae.config.block_out_channels) - 1)
            pixels = torch.empty(1, vae.config.in_channels, 16 * factor, 16 * factor)
            latents = torch.empty(1, vae.config.latent_channels, 16, 16)
        return {"encoder": _order(vae.encoder, pixels), "decoder": _order(vae.decoder, latents)}
    except Exception as e:
        reason = (str(e).strip() or type(e).__name__).splitlines()[0]
        raise ValueError(f"vae/config.json: expected the config of an AutoencoderKL ({reason}): copy it again") from e


@torch.no_grad()
def _order(network: torch.nn.Module, example: torch.Tensor) -> NormOrder:
    work, met = 0, []

    def meet(name: str, _layer: Any, _given: Any) -> None:
        met.append((name, work))

    def count(layer: Any, _given: Any, made: torch.Tensor) -> None:
        nonlocal work
        work += made.numel() * layer.weight[0].numel()

    with ExitStack() as hooks:
        for name, layer in network.named_modules():
            if isinstance(layer, torch.nn.GroupNorm):
                hooks.callback(layer.register_forward_pre_hook(functools.partial(meet, name)).remove)
            elif isinstance(layer, torch.nn.Conv2d | torch.nn.Linear):
                hooks.callback(layer.register_forward_hook(count).remove)
        network(example)
    groups = {layer.num_groups for layer in network.modules() if isinstance(layer, torch.nn.GroupNorm)}
    assert len(groups) == 1
    return NormOrder(names=tuple(name for name, _ in met), work=tuple(w / work for _, w in met), groups=groups.pop())
