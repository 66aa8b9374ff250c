"""What writers are given of a result: all of its blocks, top to bottom, checked, and with their opacity."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from storage.box import Box

from .opacity import enlarged_opacity
from .picture import Picture
from .tiff import Blocks


def complete(blocks: Blocks, picture: Picture) -> Iterator[tuple[Box, np.ndarray]]:
    """The blocks, with opacity as the last band where the picture has it.

    Raises ValueError where they are out of order, outside, or not all there.
    """
    canvas = picture.canvas
    top = area = 0
    for box, pixels in blocks:
        if (
            not canvas.contains(box)
            or pixels.shape != (picture.num_colours, *box.shape)
            or str(pixels.dtype) != picture.dtype
        ):
            raise ValueError(f"a block of {pixels.dtype} {pixels.shape} at {box} does not fit {picture.dtype} {canvas}")
        if box.top < top:
            raise ValueError(f"blocks come top to bottom: {box} came after row {top}")
        top, area = box.top, area + box.area
        yield box, _with_alpha(pixels, box, picture)
    if area != canvas.area:
        raise ValueError(
            f"the blocks cover {area} pixels, the image {picture.height} x {picture.width} has {canvas.area}"
        )


def _with_alpha(pixels: np.ndarray, box: Box, picture: Picture) -> np.ndarray:
    if picture.alpha is None:
        return pixels
    opacity = enlarged_opacity(picture.alpha, box, picture.scale, picture.info.canvas)
    if picture.dtype == "uint16":
        opacity = opacity.astype(np.uint16) * 257
    return np.concatenate([pixels, opacity[None]])
