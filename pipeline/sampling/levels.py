"""Noise levels of flow-matching models: z = (1 - sigma) x + sigma e, and the time of a level is 1000 sigma.

A larger picture at the same level is easier to see through, so levels are shifted towards noise: sigma becomes
s sigma / (1 + (s - 1) sigma) (arXiv 2403.03206, section 5.3.2). s is a constant of the model's scheduler, or exp(mu)
with mu rising by a line with the tokens that the transformer sees at once. Those are a tile's, never the canvas's:
every tile is denoised as a picture of its own, and at the native window this is what the model was trained with. Where
attention is kept to neighbourhoods, the tokens are those of one of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowLevels:
    """What the levels of a flow-matching model depend on beside its scheduler's config."""

    tokens: int
    """tokens of one tile, or of one neighbourhood in it"""
    even: bool
    """whether N steps begin at the levels 1, (N - 1) / N, ..., 1 / N before the shift (FLUX), not evenly between the
    ends of the scheduler's own table (Stable Diffusion 3)"""


def shift(config: Any, tokens: int) -> float:
    """mu of a scheduler's config for a tile of so many tokens.

    >>> config = {"base_shift": 0.5, "max_shift": 1.15, "base_image_seq_len": 256, "max_image_seq_len": 4096}
    >>> shift(config, 256), shift(config, 4096), round(shift(config, 2176), 3)
    (0.5, 1.15, 0.825)
    """
    least, most = config["base_image_seq_len"], config["max_image_seq_len"]
    share = (tokens - least) / (most - least)
    return float((1 - share) * config["base_shift"] + share * config["max_shift"])


def set_levels(scheduler: Any, steps: int, flow: FlowLevels | None) -> None:
    """Set a flow-matching scheduler's levels and times for ``steps`` steps as the families' own pipelines do.

    Raises ValueError where the levels shift with the tokens and ``flow`` does not tell them.
    """
    options: dict[str, Any] = {}
    if scheduler.config.get("use_dynamic_shifting"):
        if flow is None:
            raise ValueError("this model's noise levels shift with its tokens, and nothing says how many a tile has")
        options["mu"] = shift(scheduler.config, flow.tokens)
    if flow is not None and flow.even:
        scheduler.set_timesteps(sigmas=np.linspace(1.0, 1 / steps, steps), **options)
    else:
        scheduler.set_timesteps(steps, **options)
