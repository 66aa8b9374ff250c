"""Between pixels and latents: number ranges, enlarging, encoding and decoding a window at a time.

A window is widened by the codec's halo, run, and cut back, so that neighbouring windows agree where a codec is local.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from storage.box import Box

from .finite import at, finite

CUBIC_REACH = 3
"""input pixels round a window that bicubic enlargement can see"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueRange:
    """Which input values stand for 0 and 1, and the number format they are stored in."""

    low: float
    high: float
    dtype: str
    """the file's own"""

    def to_unit(self, values: np.ndarray) -> torch.Tensor:
        """[..., y, x] of the stored format -> float32, 0 at ``low`` and 1 at ``high``, not clipped."""
        return torch.from_numpy(((values.astype(np.float64) - self.low) / (self.high - self.low)).astype(np.float32))

    def from_unit(self, unit: torch.Tensor) -> np.ndarray:
        """The inverse, rounded to nearest and clipped to a format of whole numbers. Raises NotFiniteError for NaN."""
        finite(unit, "what was to be written as pixels")
        values = unit.double().numpy() * (self.high - self.low) + self.low
        kind = np.dtype(self.dtype)
        if kind.kind == "f":
            return values.astype(kind)
        return np.clip(np.rint(values), np.iinfo(kind).min, np.iinfo(kind).max).astype(kind)


def to_rgb(unit: torch.Tensor) -> torch.Tensor:
    """[bands, y, x] of one or three bands -> [3, y, x]; a single band is grey."""
    return unit.expand(3, *unit.shape[1:]) if len(unit) == 1 else unit


def from_rgb(rgb: torch.Tensor, num_bands: int) -> torch.Tensor:
    """[3, y, x] -> [bands, y, x]; one band takes the mean of three."""
    return rgb.mean(dim=0, keepdim=True) if num_bands == 1 else rgb


def source_window(box_out: Box, scale: int, source: Box, halo: int = CUBIC_REACH) -> Box:
    """The input pixels that enlargement needs for ``box_out`` of the output, cut at the image's edge.

    ``halo``: input pixels round the box that can be seen, bicubic's where nothing is said.
    """
    top, left = min(box_out.top // scale, source.bottom - 1), min(box_out.left // scale, source.right - 1)
    bottom = max(top + 1, min(-(-box_out.bottom // scale), source.bottom))
    right = max(left + 1, min(-(-box_out.right // scale), source.right))
    return Box(top=top, left=left, height=bottom - top, width=right - left).grown(halo, source)


def enlarge(window: torch.Tensor, window_box: Box, box_out: Box, scale: int) -> torch.Tensor:
    """Bicubic enlargement of ``box_out``: ``[bands, H, W]`` from input pixels ``[bands, y, x]`` over ``window_box``.

    Pixel-area convention (no half-pixel drift). What lies beyond the image repeats its last row and column. The same
    pixels come out whichever window they are cut from.
    """
    if scale > 1:
        window = torch.nn.functional.interpolate(
            window[None], scale_factor=float(scale), mode="bicubic", align_corners=False
        )[0]
    return _cut(window, window_box.scaled(scale), box_out)


def _cut(pixels: torch.Tensor, have: Box, box: Box) -> torch.Tensor:
    """``box`` of pixels over ``have``; beyond them the last row and column repeat."""
    ys = torch.arange(box.top, box.bottom).clamp(have.top, have.bottom - 1) - have.top
    xs = torch.arange(box.left, box.right).clamp(have.left, have.right - 1) - have.left
    return pixels[:, ys][:, :, xs]


def restore_window(
    restore: Callable[[torch.Tensor], torch.Tensor], window: torch.Tensor, window_box: Box, box_out: Box, scale: int
) -> torch.Tensor:
    """Like ``enlarge``, by a restoration module: ``[3, H, W]`` of ``box_out``, ``[3, y, x]`` over ``window_box``."""
    return _cut(restore(window[None])[0], window_box.scaled(scale), box_out)


def encode_window(
    encode: Callable[[torch.Tensor], torch.Tensor], pixels: torch.Tensor, padded: Box, box: Box
) -> np.ndarray:
    """Latents ``[c, y, x] float32`` of ``box`` from RGB ``[3, H, W]`` over ``padded``: the box and its halo."""
    latents = finite(encode(pixels[None])[0], "the autoencoder's encoder", at(box))
    ys, xs = box.within(padded)
    return latents[:, ys, xs].contiguous().numpy()


def decode_window(
    decode: Callable[[torch.Tensor], torch.Tensor], latents: np.ndarray, padded: Box, box: Box, *, factor: int
) -> torch.Tensor:
    """RGB ``[3, H, W]`` of ``box`` from latents ``[c, y, x]`` over ``padded``: the box and its halo."""
    pixels = finite(decode(torch.from_numpy(latents)[None])[0], "the autoencoder's decoder", at(box))
    ys, xs = box.scaled(factor).within(padded.scaled(factor))
    return pixels[:, ys, xs]
