"""Enlarging a transparency mask, window by window."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from storage.box import Box

ReadOpacity = Callable[[Box], np.ndarray | None]
"""gives the opacity ``[box.height, box.width]`` uint8 of a window of the input image"""
_OPAQUE = 255


def enlarged_opacity(read: ReadOpacity, box_out: Box, scale: int, canvas_in: Box) -> np.ndarray:
    """Opacity in ``box_out`` of the image enlarged ``scale`` times, ``[height, width]`` uint8.

    Bilinear where the input is in between; what is wholly clear or wholly opaque in the input is so in the result, to
    the pixel: no hole loses ground, and none gains any. A window gives the same values as the same part of the whole.
    ``canvas_in`` is the input image's extent.
    """
    box_in = box_out.shrunk(scale).grown(1, canvas_in)
    opacity = read(box_in)
    if opacity is None:
        raise ValueError("the image has no transparency to enlarge")
    along_y = _along_axis(opacity.astype(np.float32), box_out.top, box_out.height, box_in.top, scale, axis=0)
    along_x = _along_axis(along_y, box_out.left, box_out.width, box_in.left, scale, axis=1)
    own = opacity.repeat(scale, 0).repeat(scale, 1)[box_out.within(box_in.scaled(scale))]
    smooth = np.rint(along_x).clip(1, _OPAQUE - 1)
    return np.where((own == 0) | (own == _OPAQUE), own, smooth).astype(np.uint8)


def _along_axis(
    values: np.ndarray, start_out: int, count_out: int, start_in: int, scale: int, *, axis: int
) -> np.ndarray:
    """Interpolate along one axis: output pixel i is centred at (i + 1/2) / scale - 1/2 of the input."""
    centres = (np.arange(start_out, start_out + count_out) + 0.5) / scale - 0.5 - start_in
    last = values.shape[axis] - 1
    below = np.floor(centres).astype(int)
    weight = (centres - below).astype(np.float32)
    shape = (-1, 1) if axis == 0 else (1, -1)
    lower = np.take(values, np.clip(below, 0, last), axis=axis)
    upper = np.take(values, np.clip(below + 1, 0, last), axis=axis)
    return lower + (upper - lower) * weight.reshape(shape)
