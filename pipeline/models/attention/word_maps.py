"""Which words each place of a latent attends to: a U-Net's cross-attention, recorded beside its answer.

The layers recorded are those of the lowest resolution that reads the prompt in down and up blocks, not the middle:
there a position sees enough of the picture to know what it belongs to (AccDiffusion, arXiv 2407.10738; at 1024 pixels
SDXL's 32 x 32 level). The layers themselves run as they always do: a hook computes their queries and keys once more,
so recording changes no bit of the answer, whatever kernel, adapter or change of weights they use.

Shape legend: B batch, T tokens, h_l w_l positions of the recorded level, C features, n heads.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch

from pipeline.models.protocol import WordMaps

READING = ("CrossAttnDownBlock2D", "CrossAttnUpBlock2D")
"""blocks of a U-Net whose transformers read the prompt"""


@contextmanager
def record_words(unet: Any, maps: WordMaps) -> Iterator[None]:
    """Within it, one forward pass of ``unet`` leaves its maps in ``maps``."""
    hooks = []
    try:
        for transformer in find_transformers(unet):
            shape: list[int] = []
            hooks.append(transformer.register_forward_pre_hook(_keep_shape(shape), with_kwargs=True))
            hooks += [
                block.attn2.register_forward_pre_hook(_record(maps, shape), with_kwargs=True)
                for block in transformer.transformer_blocks
            ]
        yield
    finally:
        for hook in hooks:
            hook.remove()


def word_cell(config: Mapping[str, Any]) -> int | None:
    """Latent pixels along each axis of one position of the recorded level; None for a U-Net that reads no words."""
    last = len(config["down_block_types"]) - 1
    levels = [level for level, kind in enumerate(config["down_block_types"]) if kind in READING]
    levels += [last - place for place, kind in enumerate(config["up_block_types"]) if kind in READING]
    return 2 ** max(levels) if levels else None


def find_transformers(unet: Any) -> list[Any]:
    """Those of the recorded level, in running order."""
    last = len(unet.down_blocks) - 1
    cell = word_cell(unet.config)
    levels = [*enumerate(unet.down_blocks), *((last - place, block) for place, block in enumerate(unet.up_blocks))]
    blocks = [block for level, block in levels if 2**level == cell and getattr(block, "has_cross_attention", False)]
    return [transformer for block in blocks for transformer in block.attentions]


def _keep_shape(shape: list[int]) -> Any:
    def hook(module: Any, inputs: tuple[Any, ...], named: dict[str, Any]) -> None:
        states = inputs[0] if inputs else named["hidden_states"]
        shape[:] = states.shape[2:]

    return hook


def _record(maps: WordMaps, shape: list[int]) -> Any:
    def hook(attention: Any, inputs: tuple[Any, ...], named: dict[str, Any]) -> None:
        states = inputs[0] if inputs else named["hidden_states"]
        words = named["encoder_hidden_states"]
        # an IP-Adapter's tokens come beside the prompt's
        words = words[0] if isinstance(words, tuple) else words
        maps.add(attend(attention, states, words).unflatten(2, tuple(shape)))

    return hook


def attend(attention: Any, states: torch.Tensor, words: torch.Tensor) -> torch.Tensor:
    """states [B, h_l w_l, C], words [B, T, D] -> [B, T, h_l w_l] float32, mean over the heads."""
    if attention.norm_cross:
        words = attention.norm_encoder_hidden_states(words)
    # [B, n, positions or tokens, C / n]
    queries, keys = (
        projected.unflatten(2, (attention.heads, -1)).transpose(1, 2).float()
        for projected in (attention.to_q(states), attention.to_k(words))
    )
    shares = (queries @ keys.mT * attention.scale).softmax(3)
    return shares.mean(1).mT
