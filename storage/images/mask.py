"""Enlarging a mask, by which a pixel is there or is not, window by window."""

from __future__ import annotations

import numpy as np

from storage.box import Box

from .opacity import ReadOpacity

VALID = 255


def enlarged_mask(read: ReadOpacity, box_out: Box, scale: int, canvas_in: Box) -> np.ndarray:
    """Which pixels in ``box_out`` of the image enlarged ``scale`` times are there, ``[height, width]`` uint8, 0 or 255.

    Every output pixel is what the input pixel is that it lies in, so the mask's edge runs where the input's does.
    ``read`` gives 0 for what is not there; ``canvas_in`` is the input image's extent.
    """
    box_in = box_out.shrunk(scale).grown(0, canvas_in)
    mask = read(box_in)
    if mask is None:
        raise ValueError("the image has no mask to enlarge")
    ys = np.arange(box_out.top, box_out.bottom) // scale - box_in.top
    xs = np.arange(box_out.left, box_out.right) // scale - box_in.left
    there = np.where(mask > 0, np.uint8(VALID), np.uint8(0))
    return there[ys[:, None], xs]
