"""Neighbourhood patch attention in any U-Net of diffusers, and local prompts inside it.

ScaleDiff (arXiv 2510.25818, section 3.2) lets a model run once over a canvas larger than its native one. Queries of a
self-attention are cut into blocks of half the native window, and each block attends to the native window round it:

    queries of one block   [p/2, p/2] at r, c
    keys and values        [p, p]     at clamp(r - p/4, 0, H - p), clamp(c - p/4, 0, W - p)

So the work grows with the canvas, as that of overlapping tiles does, but without their overlap. Here keys and values
are cut out block by block, never four times as a whole, blocks at the far edges may be smaller, and a canvas of one
window is given to the same kernel as ever.

Shape legend: B batch, N places of a layer (N = H * W), A heads, D width of a head, T tokens, p window of a layer.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
import torch
from diffusers.models.attention import BasicTransformerBlock
from diffusers.models.attention_processor import Attention
from torch.nn import functional

from pipeline.models.protocol import Conditioning, Neighbourhood
from pipeline.prompts.places import PromptPlaces

KNOWN_BLOCKS = {
    "DownBlock2D",
    "CrossAttnDownBlock2D",
    "UNetMidBlock2D",
    "UNetMidBlock2DCrossAttn",
    "UpBlock2D",
    "CrossAttnUpBlock2D",
    None,
}
"""blocks whose attention is that of a transformer over the places of its level, or that have none"""
UNKNOWN = ("dual_cross_attention", "mid_block_only_cross_attention", "cross_attention_norm", "encoder_hid_dim_type")
"""what makes attention something else, where it is said"""
QUARTERS = 4
"""a window begins a quarter of it before its block, so every layer's must have quarters"""
GROUP = 1 << 22
"""numbers in the keys of the blocks that are computed at once: enough to keep cores and GPUs busy"""


def knows_attention(config: dict[str, Any]) -> bool:
    """Whether the attention of a U-Net or ControlNet with this config can be kept to neighbourhoods."""
    blocks = {*config.get("down_block_types", ()), *config.get("up_block_types", ())}
    blocks.add(config.get("mid_block_type", "UNetMidBlock2DCrossAttn"))
    only_cross = config.get("only_cross_attention") or False
    is_plain = config.get("attention_type", "default") == "default" and not np.any(only_cross)
    return is_plain and blocks <= KNOWN_BLOCKS and not any(config.get(key) for key in UNKNOWN)


@dataclass(frozen=True, slots=True)
class AxisBlock:
    """Queries from ``start`` up to ``stop`` along one axis, and the first of the keys that they attend to."""

    start: int
    stop: int
    first: int


def axis_blocks(length: int, window: int, offset: int = 0) -> list[AxisBlock]:
    """Blocks along an axis of ``length`` places; keys are ``min(window, length)`` places from ``first`` on.

    ``offset``, up to half a window, moves the blocks towards the axis's beginning.

    >>> [(one.start, one.stop, one.first) for one in axis_blocks(18, 8)]
    [(0, 4, 0), (4, 8, 2), (8, 12, 6), (12, 16, 10), (16, 18, 10)]
    >>> axis_blocks(6, 8)
    [AxisBlock(start=0, stop=6, first=0)]
    """
    if length <= window:
        return [AxisBlock(0, length, 0)]
    half, quarter = window // 2, window // QUARTERS
    starts = range(-offset, length, half)
    first = [min(max(start - quarter, 0), length - window) for start in starts]
    ends = [(max(start, 0), min(start + half, length)) for start in starts]
    return [AxisBlock(*end, key) for end, key in zip(ends, first, strict=True) if end[0] < end[1]]


def draw_offsets(key: tuple[int, ...], layer: int, window: int) -> tuple[int, int]:
    """Offsets (a, b) along y and x, each of 0 to window / 2, of one layer at one step: a counter, not a stream."""
    stream = np.random.Generator(np.random.Philox(np.random.SeedSequence((*key, layer))))
    down, right = stream.integers(0, window // 2, size=2, endpoint=True)
    return int(down), int(right)


def level_shape(places: int, height: int, width: int) -> tuple[int, int, int]:
    """Height, width and downsampling of the layer that has so many places, of a canvas of ``height x width``.

    Every level of a U-Net halves its sides and rounds up, so the number of places tells the level.

    >>> level_shape(15, 10, 6)
    (5, 3, 2)
    """
    factor = 1
    while height * width > places:
        height, width, factor = -(-height // 2), -(-width // 2), 2 * factor
    if height * width != places:
        raise ValueError(
            f"a layer of {places} places is none of a U-Net's over this canvas: it needs tiles.attend = 'tiles'"
        )
    return height, width, factor


def attend_nearby(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    shape: tuple[int, int],
    window: int,
    offsets: tuple[int, int] = (0, 0),
) -> torch.Tensor:
    """[B, A, N, D] from query, key and value of that shape over ``shape`` places, attending to ``window`` a side.

    A canvas of at most one window is plain attention, by the same kernel.
    """
    height, width = shape
    rows, cols = axis_blocks(height, window, offsets[0]), axis_blocks(width, window, offsets[1])
    if len(rows) * len(cols) == 1:
        return functional.scaled_dot_product_attention(query, key, value)
    # [B, y, x, A, D]: as the projections lie in memory, so that blocks are copied row by row
    q, k, v = (one.transpose(1, 2).unflatten(1, shape) for one in (query, key, value))
    out = torch.empty(q.shape, dtype=q.dtype, device=q.device)
    window_height, window_width = min(window, height), min(window, width)
    most = max(1, GROUP // (window_height * window_width * query.shape[0] * query.shape[1] * query.shape[3]))
    for blocks in _groups(rows, cols, most):
        queries = [q[:, row.start : row.stop, col.start : col.stop] for row, col in blocks]
        windows = [
            (slice(row.first, row.first + window_height), slice(col.first, col.first + window_width))
            for row, col in blocks
        ]
        keys, values = (_flat([one[:, ys, xs] for ys, xs in windows]) for one in (k, v))
        attended = functional.scaled_dot_product_attention(_flat(queries), keys, values)
        parts = attended.transpose(1, 2).unflatten(1, queries[0].shape[1:3]).chunk(len(blocks))
        for (row, col), tokens in zip(blocks, parts, strict=True):
            out[:, row.start : row.stop, col.start : col.stop] = tokens
    return out.flatten(1, 2).transpose(1, 2)


def _flat(blocks: list[torch.Tensor]) -> torch.Tensor:
    """[G * B, A, n, D] of G blocks [B, y, x, A, D]: one copy of these blocks."""
    return torch.cat(blocks).flatten(1, 2).transpose(1, 2)


def _groups(rows: list[AxisBlock], cols: list[AxisBlock], most: int) -> Iterator[list[tuple[AxisBlock, AxisBlock]]]:
    """All blocks, those of one shape together, at most ``most`` at once."""

    def sides(block: tuple[AxisBlock, AxisBlock]) -> tuple[int, int]:
        return block[0].stop - block[0].start, block[1].stop - block[1].start

    blocks = sorted(((row, col) for row in rows for col in cols), key=sides)
    for _, alike in groupby(blocks, sides):
        same = list(alike)
        for first in range(0, len(same), most):
            yield same[first : first + most]


class NearbyAttention:
    """Processor of a self-attention that reaches over a neighbourhood."""

    def __init__(self, neighbourhood: Neighbourhood, canvas: tuple[int, int], layer: int) -> None:
        """``canvas``: latent pixels of the forward pass; ``layer``: the attention's number, for its offsets."""
        self._neighbourhood, self._canvas, self._layer = neighbourhood, canvas, layer

    def __call__(self, attn: Attention, hidden_states: torch.Tensor, **_: Any) -> torch.Tensor:
        """[B, N, C] -> the same; the arguments' names are diffusers'."""
        height, width, factor = level_shape(hidden_states.shape[1], *self._canvas)
        window, offsets = self._neighbourhood.window // factor, (0, 0)
        if self._neighbourhood.key is not None:
            offsets = draw_offsets(self._neighbourhood.key, self._layer, window)
        query = _heads(attn, attn.to_q(hidden_states), attn.norm_q)
        key = _heads(attn, attn.to_k(hidden_states), attn.norm_k)
        value = _heads(attn, attn.to_v(hidden_states))
        attended = attend_nearby(query, key, value, (height, width), window, offsets)
        return _finish(attn, _rows(attended), hidden_states)


class PlacedAttention:
    """Processor of a cross-attention that reads each prompt at its own places, and image prompts everywhere."""

    def __init__(self, places: Sequence[PromptPlaces], before: Any) -> None:
        """``places`` of each of the batch; ``before``: the processor it stands for, which may read images."""
        self._places, self._before = places, before

    def __call__(
        self, attn: Attention, hidden_states: torch.Tensor, encoder_hidden_states: Any = None, **_: Any
    ) -> torch.Tensor:
        """[B, N, C] -> the same; the arguments' names are diffusers'."""
        query = attn.to_q(hidden_states)
        attended = torch.stack([self._read(attn, *pair) for pair in zip(query, self._places, strict=True)])
        if isinstance(encoder_hidden_states, tuple):
            attended = attended + self._look(attn, query, encoder_hidden_states[1])
        return _finish(attn, attended, hidden_states)

    def _read(self, attn: Attention, query: torch.Tensor, places: PromptPlaces) -> torch.Tensor:
        """[N, A * D] from query [N, A * D] of one canvas: places are picked where they are rows of memory."""
        height, width, _ = level_shape(len(query), places.height, places.width)
        text = places.embeddings["text"]
        keys, values = _heads(attn, attn.to_k(text), attn.norm_k), _heads(attn, attn.to_v(text))
        # half precision would lose the sum of four
        total = torch.zeros_like(query, dtype=torch.promote_types(query.dtype, torch.float32))
        weights = places.weights(height, width, total.device, total.dtype)
        for (where, weight), key, value in zip(weights, keys, values, strict=True):
            queries = _heads(attn, query.index_select(0, where)[None], attn.norm_q)
            attended = _rows(functional.scaled_dot_product_attention(queries, key[None], value[None]))[0]
            total.index_add_(0, where, attended * weight[:, None])
        return total.to(query.dtype)

    def _look(self, attn: Attention, query: torch.Tensor, images: Iterable[torch.Tensor]) -> torch.Tensor:
        """[B, N, A * D]: what an IP-Adapter's own attention adds, from images [B, K * T, D'] of each of its parts."""
        total, before, queries = torch.zeros_like(query), self._before, _heads(attn, query, attn.norm_q)
        for shown, scale, to_k, to_v in zip(images, before.scale, before.to_k_ip, before.to_v_ip, strict=True):
            if scale:
                key, value = (_heads(attn, project(shown)) for project in (to_k, to_v))
                total = total + scale * _rows(functional.scaled_dot_product_attention(queries, key, value))
        return total


def _heads(attn: Attention, projected: torch.Tensor, norm: Any = None) -> torch.Tensor:
    """[B, A, n, D] of [B, n, A * D]."""
    parted = projected.unflatten(-1, (attn.heads, -1)).flatten(1, -3).transpose(1, 2)
    return parted if norm is None else norm(parted)


def _rows(heads: torch.Tensor) -> torch.Tensor:
    """[B, n, A * D] of [B, A, n, D]."""
    return heads.transpose(1, 2).flatten(2)


def _finish(attn: Attention, attended: torch.Tensor, before: torch.Tensor) -> torch.Tensor:
    """[B, N, C]: the heads' findings [B, N, A * D] brought together as the layer was trained to."""
    out = attn.to_out[1](attn.to_out[0](attended))
    if attn.residual_connection:
        out = out + before
    return out / attn.rescale_output_factor


@contextmanager
def surround(networks: Sequence[torch.nn.Module], conditioning: Conditioning, latents: torch.Tensor) -> Iterator[None]:
    """Within it the networks' attention follows neighbourhood and places of ``conditioning``; nothing else changes.

    ``latents``: what the forward pass is given, [B, C, h, w].
    """
    canvas = latents.shape[2], latents.shape[3]
    if conditioning.neighbourhood is None and conditioning.places is None:
        yield
        return
    places = conditioning.places
    if places is not None:
        like: Any = networks[0]
        # once, not in every layer
        places = tuple(one.saying({"text": one.embeddings["text"].to(like.device, like.dtype)}) for one in places)
    # diffusers' own annotations name its own processors only
    blocks: list[Any] = [one for net in networks for one in net.modules() if isinstance(one, BasicTransformerBlock)]
    before = [(layer, layer.processor) for block in blocks for layer in (block.attn1, block.attn2) if layer is not None]
    try:
        for number, block in enumerate(blocks):
            if conditioning.neighbourhood is not None:
                block.attn1.set_processor(NearbyAttention(conditioning.neighbourhood, canvas, number))
            if places is not None and block.attn2 is not None:
                block.attn2.set_processor(PlacedAttention(places, block.attn2.processor))
        yield
    finally:
        for layer, processor in before:
            layer.set_processor(processor)
