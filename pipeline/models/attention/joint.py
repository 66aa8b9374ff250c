"""Neighbourhood patch attention in transformers whose text and image attend to each other: FLUX, Stable Diffusion 3.

ScaleDiff (arXiv 2510.25818) cuts the image's queries into blocks of half the native window, and each block attends to
the native window round it, clamped at the canvas's edges. Text belongs to every window: its queries, keys and values
are those of the whole, and what it reads is the mean over all windows. Blocks at the far edges may be smaller, so no
window holds padding. Windows are run one after another and nothing is gathered four times over.

Where positions turn queries and keys (FLUX), image tokens are turned once by their place on the canvas, and the text of
a window by the place of the window's first token. What counts are differences, so every window is to the model what a
picture of its own would be, with places from 0 on and its text at 0, and no difference is larger than those that it was
trained on. Stable Diffusion 3 adds places to the tokens before its first layer, from the middle of a table of three or
more native windows a side, in native spacing: so it does on a large canvas too, as long as the table lasts.

Prompts of their own inside a canvas: the text of all P of them lies one behind the other, each hears its own and the
image alone, and the image hears a prompt with the prompt's weight at its place: the logarithm of it is added to the
scores, so prompts that say the same are to the image one prompt. A prompt's text is the mean over the windows that it
holds in, by its share of each. Transformers think about text in every layer, so each prompt costs its tokens.

Shape legend: B batch, N image tokens of the canvas (N = rows * cols), T text tokens, A heads, D width of a head.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from diffusers.models.embeddings import apply_rotary_emb
from torch.nn import functional

from pipeline.models.protocol import Conditioning
from pipeline.prompts.places import PromptPlaces

from .neighbourhood import axis_blocks, draw_offsets

Turn = Callable[[torch.Tensor, int, int], torch.Tensor]
"""turns text's queries or keys [B, A, T, D] as a token at row y and column x of the canvas is turned"""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Canvas:
    """What one attention layer must know of a forward pass."""

    rows: int
    cols: int
    text: int
    """text tokens, of all prompts"""
    window: int
    """tokens a side that a block attends to"""
    offsets: tuple[int, int] = (0, 0)
    """tokens, up to half a window, by which blocks lie nearer to the canvas's top and left"""
    shares: torch.Tensor | None = None
    """[P, rows, cols]: weights of the prompts, which add up to one at every token; None where there is but one"""


@dataclass(frozen=True, slots=True)
class Heads:
    """Queries, keys and values [B, A, n, D] of image or text."""

    query: torch.Tensor
    key: torch.Tensor
    value: torch.Tensor


def attend_jointly(
    image: Heads, text: Heads | None, canvas: Canvas, turn: Turn | None = None, *, text_first: bool = True
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """What image [B, A, N, D] and text [B, A, T, D] read; no text where none is given.

    ``text_first``: the order of the model's own attention, which a canvas of one window repeats.
    """
    shape = canvas.rows, canvas.cols
    query, key, value = (one.unflatten(2, shape) for one in (image.query, image.key, image.value))
    rows = axis_blocks(canvas.rows, canvas.window, canvas.offsets[0])
    cols = axis_blocks(canvas.cols, canvas.window, canvas.offsets[1])
    height, width = min(canvas.window, canvas.rows), min(canvas.window, canvas.cols)
    out = torch.empty_like(query)
    heard = None if text is None else _Heard(text, 1 if canvas.shares is None else len(canvas.shares))
    for row in rows:
        for col in cols:
            ys, xs = slice(row.start, row.stop), slice(col.start, col.stop)
            window = slice(row.first, row.first + height), slice(col.first, col.first + width)
            pixels = Heads(
                query[:, :, ys, xs].flatten(2, 3), *(one[:, :, *window].flatten(2, 3) for one in (key, value))
            )
            shares = None if canvas.shares is None else canvas.shares[:, ys, xs].flatten(1)
            prompts = [0] if shares is None else [n for n, share in enumerate(shares) if share.any()]
            words = None if heard is None else _turned(heard.of(prompts), turn, row.first, col.first)
            if shares is None or words is None:
                attended, read = _attend(pixels, words, text_first=text_first)
            else:
                attended, read = _attend_to_shares(pixels, words, shares[prompts])
            out[:, :, ys, xs] = attended.unflatten(2, (row.stop - row.start, col.stop - col.start))
            if heard is not None and read is not None:
                heard.add(prompts, read, [1.0] if shares is None else shares[prompts].mean(1).tolist())
    return out.flatten(2, 3), None if heard is None else heard.mean()


class _Heard:
    """What the text of each prompt read, over the windows that it was in."""

    def __init__(self, text: Heads, prompts: int) -> None:
        self._text, self._parts = text, prompts
        # half precision would lose a sum of many windows
        exact = torch.promote_types(text.query.dtype, torch.float32)
        self._sums = [*torch.zeros_like(text.query, dtype=exact).chunk(prompts, 2)]
        self._weights = [0.0] * prompts

    def of(self, prompts: list[int]) -> Heads:
        """The text of these prompts, one behind the other."""
        if len(prompts) == self._parts:
            return self._text
        parted = (one.chunk(self._parts, 2) for one in (self._text.query, self._text.key, self._text.value))
        return Heads(*(torch.cat([parts[n] for n in prompts], 2) for parts in parted))

    def add(self, prompts: list[int], read: torch.Tensor, weights: list[float]) -> None:
        for n, chunk, weight in zip(prompts, read.chunk(len(prompts), 2), weights, strict=True):
            self._sums[n] = self._sums[n] + weight * chunk.to(self._sums[n].dtype)
            self._weights[n] += weight

    def mean(self) -> torch.Tensor:
        """[B, A, T, D]"""
        means = [total / weight for total, weight in zip(self._sums, self._weights, strict=True)]
        return torch.cat(means, 2).to(self._text.query.dtype)


def _turned(text: Heads, turn: Turn | None, y: int, x: int) -> Heads:
    return text if turn is None else Heads(turn(text.query, y, x), turn(text.key, y, x), text.value)


def _attend(image: Heads, text: Heads | None, *, text_first: bool) -> tuple[torch.Tensor, torch.Tensor | None]:
    """One window: what its image queries and its text read, of both."""
    if text is None:
        return functional.scaled_dot_product_attention(image.query, image.key, image.value), None
    first, second = (text, image) if text_first else (image, text)
    query, key, value = (
        torch.cat(pair, 2)
        for pair in ((first.query, second.query), (first.key, second.key), (first.value, second.value))
    )
    parts = functional.scaled_dot_product_attention(query, key, value).split(
        [first.query.shape[2], second.query.shape[2]], 2
    )
    return (parts[1], parts[0]) if text_first else (parts[0], parts[1])


def _attend_to_shares(image: Heads, text: Heads, shares: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """One window with the text of several prompts and their shares [P, n] at its n queries."""
    words, prompts, places = text.query.shape[2], len(shares), image.query.shape[2]
    each = words // prompts
    bias = image.query.new_zeros(words + places, words + image.key.shape[2])
    identity = torch.eye(prompts, device=bias.device).repeat_interleave(each, 0)
    counts = torch.cat([identity, shares.T.to(bias.device, identity.dtype)])
    bias[:, :words] = counts.log().repeat_interleave(each, 1)
    query, key, value = (
        torch.cat(pair, 2) for pair in ((text.query, image.query), (text.key, image.key), (text.value, image.value))
    )
    attended = functional.scaled_dot_product_attention(query, key, value, attn_mask=bias)
    return attended[:, :, words:], attended[:, :, :words]


class FluxNearby:
    """Processor of FLUX's attention, in blocks that keep text apart from the image and in those that join them."""

    def __init__(self, canvas: Canvas) -> None:
        self._canvas = canvas

    def __call__(
        self,
        attn: Any,
        hidden_states: torch.Tensor,
        encoder_hidden_states: torch.Tensor | None = None,
        attention_mask: None = None,
        image_rotary_emb: tuple[torch.Tensor, torch.Tensor] | None = None,
    ) -> Any:
        """What diffusers' own takes and gives: image [B, N, C] and text [B, T, C], or both in one, text first."""
        assert image_rotary_emb is not None
        canvas = self._canvas
        projections = (attn.to_q, attn.norm_q), (attn.to_k, attn.norm_k), (attn.to_v, None)
        heads = [_heads(attn, project(hidden_states), norm) for project, norm in projections]
        if encoder_hidden_states is None:
            parted = [one.split([canvas.text, one.shape[1] - canvas.text], 1) for one in heads]
            text, image = ([pair[place] for pair in parted] for place in range(2))
        else:
            added = (attn.add_q_proj, attn.norm_added_q), (attn.add_k_proj, attn.norm_added_k), (attn.add_v_proj, None)
            text, image = [_heads(attn, project(encoder_hidden_states), norm) for project, norm in added], heads
        places: list[Any] = [table[canvas.text :] for table in image_rotary_emb]
        image[:2] = [_turn(one, places, 1) for one in image[:2]]

        def turn(states: torch.Tensor, y: int, x: int) -> torch.Tensor:
            place = y * canvas.cols + x
            return _turn(states, [table[place : place + 1].expand(states.shape[2], -1) for table in places], 2)

        attended, heard = attend_jointly(_parted(image), _parted(text), canvas, turn)
        assert heard is not None
        if encoder_hidden_states is None:
            return _joined(torch.cat([heard, attended], 2))
        return attn.to_out[1](attn.to_out[0](_joined(attended))), attn.to_add_out(_joined(heard))


class StableDiffusion3Nearby:
    """Processor of Stable Diffusion 3's attention, with text and, in layers that have both, without."""

    def __init__(self, canvas: Canvas) -> None:
        self._canvas = canvas

    def __call__(
        self, attn: Any, hidden_states: torch.Tensor, encoder_hidden_states: torch.Tensor | None = None, **_: Any
    ) -> Any:
        """What diffusers' own takes and gives: image [B, N, C], and text [B, T, C] where it is given."""
        projections = (attn.to_q, attn.norm_q), (attn.to_k, attn.norm_k), (attn.to_v, None)
        image = _parted([_heads(attn, project(hidden_states), norm) for project, norm in projections])
        text = None
        if encoder_hidden_states is not None:
            added = (attn.add_q_proj, attn.norm_added_q), (attn.add_k_proj, attn.norm_added_k), (attn.add_v_proj, None)
            text = _parted([_heads(attn, project(encoder_hidden_states), norm) for project, norm in added])
        attended, heard = attend_jointly(image, text, self._canvas, text_first=False)
        out = attn.to_out[1](attn.to_out[0](_joined(attended)))
        if heard is None:
            return out
        text_out = _joined(heard)
        return out, text_out if attn.context_pre_only else attn.to_add_out(text_out)


def _turn(states: torch.Tensor, places: Any, axis: int) -> torch.Tensor:
    """Queries or keys turned by cosines and sines [n, D] of their places, which lie along ``axis``."""
    turned: Any = apply_rotary_emb(states, places, sequence_dim=axis)
    return turned


def _heads(attn: Any, projected: torch.Tensor, norm: Any) -> torch.Tensor:
    """[B, n, A, D] of [B, n, A * D]."""
    parted = projected.unflatten(-1, (attn.heads, -1))
    return parted if norm is None else norm(parted)


def _parted(states: list[torch.Tensor]) -> Heads:
    """Of query, key and value [B, n, A, D]."""
    return Heads(*(one.transpose(1, 2) for one in states))


def _joined(heads: torch.Tensor) -> torch.Tensor:
    """[B, n, A * D] of [B, A, n, D]."""
    return heads.transpose(1, 2).flatten(2)


def part_places(conditioning: Conditioning) -> list[Conditioning]:
    """``conditioning`` of each of a batch apart, as each has its own number of prompts; their text lies in a row."""
    assert conditioning.places is not None
    assert conditioning.pooled is not None
    parted = []
    for place, pooled in zip(conditioning.places, conditioning.pooled, strict=True):
        text = place.embeddings["text"].flatten(0, 1)[None]
        parted.append(dataclasses.replace(conditioning, text=text, pooled=pooled[None], places=(place,)))
    return parted


def _shares(places: PromptPlaces, shape: tuple[int, int]) -> torch.Tensor:
    """[P, rows, cols] float32 on the CPU; see Canvas."""
    shares = torch.zeros(len(places.embeddings["text"]), shape[0] * shape[1])
    for share, (where, weight) in zip(shares, places.weights(*shape), strict=True):
        share[where] = weight.float()
    return shares.unflatten(1, shape)


@contextmanager
def surround(transformer: Any, conditioning: Conditioning, shape: tuple[int, int], *, patch: int) -> Iterator[None]:
    """Within it every attention of the transformer reaches over its neighbourhood; without one nothing changes.

    ``conditioning``: of one canvas where it has places, see part_places; ``shape``: tokens of the canvas along y and x;
    ``patch``: latent pixels a side of each.
    """
    neighbourhood = conditioning.neighbourhood
    if neighbourhood is None:
        yield
        return
    assert conditioning.text is not None
    text, shares = (
        conditioning.text.shape[1],
        None if conditioning.places is None else _shares(conditioning.places[0], shape),
    )
    kind = FluxNearby if hasattr(transformer, "single_transformer_blocks") else StableDiffusion3Nearby
    blocks = [*transformer.transformer_blocks, *getattr(transformer, "single_transformer_blocks", ())]
    layers = [layer for block in blocks for layer in (block.attn, getattr(block, "attn2", None)) if layer is not None]
    before = [layer.processor for layer in layers]
    window, key = neighbourhood.window // patch, neighbourhood.key
    try:
        for number, layer in enumerate(layers):
            offsets = (0, 0) if key is None else draw_offsets(key, number, window)
            canvas = Canvas(rows=shape[0], cols=shape[1], text=text, window=window, offsets=offsets, shares=shares)
            layer.set_processor(kind(canvas))
        yield
    finally:
        for layer, processor in zip(layers, before, strict=True):
            layer.set_processor(processor)
