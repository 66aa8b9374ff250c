"""Bicubic enlargement by any ratio, exactly local: what a stage is made from the stage before with.

torch's convention: pixels are areas (no half-pixel drift), Keys' kernel with a = -3/4, no antialiasing, and what lies
beyond the canvas repeats its last row and column. Places are counted in whole numbers and every number is summed in one
order, so a box has the bytes of the whole canvas.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from storage.box import Box

A = -0.75
"""slope of the kernel at its first zero"""


def source(canvas_in: Box, canvas_out: Box, box_out: Box) -> Box:
    """What of the smaller canvas a box of the larger one is made from: two pixels more on every side.

    >>> small, large = Box(top=0, left=0, height=16, width=16), Box(top=0, left=0, height=24, width=24)
    >>> source(small, large, Box(top=12, left=0, height=6, width=6))
    Box(top=6, left=0, height=8, width=6)
    """
    rows, cols = (
        _seen(first, last, length_in, length_out)
        for first, last, length_in, length_out in (
            (box_out.top, box_out.bottom, canvas_in.height, canvas_out.height),
            (box_out.left, box_out.right, canvas_in.width, canvas_out.width),
        )
    )
    return Box(top=rows.start, left=cols.start, height=len(rows), width=len(cols))


def enlarge_cubic(read: Callable[[Box], np.ndarray], canvas_in: Box, canvas_out: Box, box_out: Box) -> np.ndarray:
    """A box of the larger canvas: ``[c, y, x] float32``.

    ``read`` gives ``[c, y, x]`` of any box of the smaller canvas; it is asked once, for ``source``.
    """
    window = source(canvas_in, canvas_out, box_out)
    pixels = read(window).astype(np.float64)
    pixels = _along(pixels, 1, range(box_out.top, box_out.bottom), window.top, canvas_in.height, canvas_out.height)
    pixels = _along(pixels, 2, range(box_out.left, box_out.right), window.left, canvas_in.width, canvas_out.width)
    return pixels.astype(np.float32)


def _places(at: np.ndarray, length_in: int, length_out: int) -> tuple[np.ndarray, np.ndarray]:
    """Where pixels of the larger canvas lie among the smaller one's: the pixel before, and the share beyond it."""
    twice = (2 * at + 1) * length_in - length_out
    before = twice // (2 * length_out)
    return before, (twice - before * 2 * length_out) / (2 * length_out)


def _seen(first: int, last: int, length_in: int, length_out: int) -> range:
    before, _ = _places(np.array([first, last - 1]), length_in, length_out)
    return range(min(max(0, int(before[0]) - 1), length_in - 1), max(1, min(length_in, int(before[1]) + 3)))


def _along(pixels: np.ndarray, dim: int, at: range, first: int, length_in: int, length_out: int) -> np.ndarray:
    """The pixels ``at`` of the larger canvas along ``dim``; ``first``: where the given ones begin in the smaller."""
    before, share = _places(np.asarray(at), length_in, length_out)
    shape = [1] * pixels.ndim
    shape[dim] = len(share)
    total = np.float64(0)
    for tap in range(-1, 3):
        near = (before + tap).clip(0, length_in - 1) - first
        total = total + _kernel(np.abs(share - tap)).reshape(shape) * np.take(pixels, near, axis=dim)
    enlarged: np.ndarray = total  # type: ignore[assignment]
    return enlarged


def _kernel(x: np.ndarray) -> np.ndarray:
    """Keys' cubic kernel at distances of 0 to 2."""
    near = ((A + 2) * x - (A + 3)) * x * x + 1
    far = ((x - 5) * x + 8) * x * A - 4 * A
    return np.where(x <= 1, near, far)
