"""Dilated samples (DemoFusion, section 3.3): every s-th latent pixel of a wide window, seen at the model's own size.

    a window of 4 x 4 latent pixels, s = 2, and its four samples, named by their offset (p, q)

        00 01 00 01
        10 11 10 11        sample 00 is z[0::2, 0::2], sample 01 is z[0::2, 1::2], and so on, row-major
        00 01 00 01
        10 11 10 11

One window holds the whole canvas where that may be gathered on one node; else windows of a bounded side overlap a
little and their predictions are blended. A window whose sides s does not divide is padded.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from storage.box import Box

from .blend import tile_weight, weight_sum
from .tiles import TileGrid, plan_tiles

OVERLAP = 8
"""neighbouring dilation windows share an eighth of their side"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dilation:
    """The dilation windows of a canvas."""

    windows: TileGrid
    """all of one size; one window where the canvas is gathered whole"""
    factor: int
    """s: samples along each axis of a window"""
    multiple: int
    """sides of a sample are multiples of this"""
    zeros: bool = False
    """whether the padding is zeros, above and left, and the blur sees zeros beyond the canvas, as in the published
    implementations; else the outermost pixels repeat, and the padding is below and right"""

    @property
    def num_samples(self) -> int:
        """Of one window."""
        return self.factor**2

    @property
    def num_windows(self) -> int:
        return self.windows.num_tiles

    @property
    def sample_shape(self) -> tuple[int, int]:
        """Height and width of a sample, in latent pixels, its share of the padding among them."""
        whole = self.factor * self.multiple
        sides = (self.windows.tile_height, self.windows.tile_width)
        return -(-sides[0] // whole) * self.multiple, -(-sides[1] // whole) * self.multiple

    @property
    def blend(self) -> str:
        """One window is no blend: weights of one leave its predictions as they are."""
        return "uniform" if self.num_windows == 1 else "cosine"

    def window(self, index: int) -> Box:
        return self.windows.tile(*divmod(index, len(self.windows.lefts))).box

    def weight(self) -> np.ndarray:
        """[y, x] float32: how much a window's predictions count at each of its pixels."""
        return tile_weight(self.blend, self.windows.tile_height, self.windows.tile_width)

    def weight_sum(self, canvas: Box, box: Box) -> np.ndarray:
        """[y, x] float32 over a box: the sum of all windows' weights."""
        return weight_sum(self.blend, self.windows, canvas, box)

    def batches(self, size: int) -> list[tuple[int, int, int]]:
        """(window, first, end): samples ``first .. end`` of a window go through the model together."""
        starts = range(0, self.num_samples, size)
        return [
            (window, first, min(first + size, self.num_samples))
            for window in range(self.num_windows)
            for first in starts
        ]


def plan_dilation(
    height: int, width: int, *, native: int, multiple: int, side: int | None, zeros: bool = False
) -> Dilation:
    """Dilation windows of at most ``side`` latent pixels, the whole canvas for None; samples of ``native`` at most.

    >>> plan_dilation(512, 384, native=128, multiple=8, side=None).factor
    4
    >>> windowed = plan_dilation(1024, 1024, native=128, multiple=8, side=512)
    >>> windowed.factor, windowed.windows.lefts
    (4, (0, 256, 512))
    """
    window = min(side or max(height, width), max(height, width))
    windows = plan_tiles(height, width, window=window, stride=window - window // OVERLAP)
    return Dilation(windows=windows, factor=max(1, math.ceil(window / native)), multiple=multiple, zeros=zeros)


def blur_box(
    read: Callable[[Box], np.ndarray], canvas: Box, box: Box, *, factor: int, deviation: float, zeros: bool
) -> np.ndarray:
    """``[c, y, x]`` over ``box``, blurred by a Gaussian of ``2 s - 1`` taps an axis, the same bits whichever the box.

    ``read`` gives ``[c, y, x] float32`` of a box of the canvas; beyond it, zeros, or the outermost pixels again.
    """
    reach = factor - 1
    padded = box.grown(reach, canvas)
    values = _pad(read(padded), padded, box, reach, "constant" if zeros else "edge")
    offsets = np.arange(-reach, reach + 1)
    taps = np.exp(-0.5 * (offsets / deviation) ** 2)
    taps = (taps / taps.sum()).astype(np.float32)
    along_y = np.zeros((len(values), box.height, values.shape[2]), dtype=np.float32)
    for place, tap in enumerate(taps):
        along_y += tap * values[:, place : place + box.height]
    blurred = np.zeros((len(values), *box.shape), dtype=np.float32)
    for place, tap in enumerate(taps):
        blurred += tap * along_y[:, :, place : place + box.width]
    return blurred


def _pad(values: np.ndarray, have: Box, box: Box, reach: int, mode: str) -> np.ndarray:
    """``values`` over ``have``, which is ``box`` grown as far as the canvas goes, grown all the way."""
    before = (reach - (box.top - have.top), reach - (box.left - have.left))
    after = (reach - (have.bottom - box.bottom), reach - (have.right - box.right))
    return np.pad(values, ((0, 0), (before[0], after[0]), (before[1], after[1])), mode=mode)  # type: ignore[call-overload]


def gather(dilation: Dilation, values: np.ndarray) -> np.ndarray:
    """All samples ``[s * s, c, h, w]`` of a window's values ``[c, y, x]``, row-major by offset."""
    s, (height, width) = dilation.factor, dilation.sample_shape
    pads = [(0, 0), *(_pads(side, length * s, dilation.zeros) for side, length in _sides(dilation, values))]
    padded = np.pad(values, pads, mode="constant" if dilation.zeros else "edge")
    cut = padded.reshape(len(values), height, s, width, s).transpose(2, 4, 0, 1, 3)
    return np.ascontiguousarray(cut.reshape(s * s, len(values), height, width))


def places(dilation: Dilation, origin: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns in a window of the pixels that samples show: two of ``[n, h, w] int64``.

    ``origin``: of which sample each pixel is, anything that broadcasts to ``[n, h, w]``. Those of the padding lie
    outside of the window.
    """
    s, (height, width) = dilation.factor, dilation.sample_shape
    windows, above, left = dilation.windows, 0, 0
    if dilation.zeros:
        above, left = height * s - windows.tile_height, width * s - windows.tile_width
    rows = s * np.arange(height)[:, None] + origin // s - above
    cols = s * np.arange(width) + origin % s - left
    return np.broadcast_arrays(rows, cols)  # type: ignore[return-value]


def _sides(dilation: Dilation, values: np.ndarray) -> list[tuple[int, int]]:
    return list(zip(values.shape[1:], dilation.sample_shape, strict=True))


def _pads(side: int, whole: int, before: bool) -> tuple[int, int]:
    return (whole - side, 0) if before else (0, whole - side)
