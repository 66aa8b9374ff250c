"""What writers are given of a result: all of its blocks, top to bottom, checked, and with their opacity."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from storage.box import Box

from .mask import enlarged_mask
from .opacity import enlarged_opacity
from .picture import Picture
from .tiff import Blocks


def complete(blocks: Blocks, picture: Picture) -> Iterator[tuple[Box, np.ndarray]]:
    """The blocks, bands in the picture's order, with opacity as the last one where the picture has it.

    Rows that are kept already are not among them. Raises ValueError where they are out of order, outside, or not all
    there.
    """
    canvas = picture.canvas
    top = 0 if picture.kept is None else picture.kept.bottom
    area = top * picture.width
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
        yield box, _with_alpha(pixels if picture.order is None else pixels[list(picture.order)], box, picture)
    if area != canvas.area:
        raise ValueError(
            f"the blocks cover {area} pixels, the image {picture.height} x {picture.width} has {canvas.area}"
        )


def restored(values: np.ndarray, picture: Picture) -> np.ndarray:
    """The block that ``complete`` has made values of, where colours are not changed by their opacity."""
    colours = values[: picture.num_colours]
    return colours if picture.order is None else colours[np.argsort(picture.order)]


def _with_alpha(pixels: np.ndarray, box: Box, picture: Picture) -> np.ndarray:
    if picture.alpha is None:
        return pixels
    enlarge = enlarged_mask if picture.is_hard else enlarged_opacity
    opacity = _as(enlarge(picture.alpha, box, picture.scale, picture.info.canvas), picture.dtype)
    if picture.is_premultiplied:
        # no colour is brighter than alpha lets it be, whatever a model has made of it
        pixels = np.minimum(pixels, opacity) if picture.wanted.has_premultiplied else _divided(pixels, opacity)
    return np.concatenate([pixels, opacity[None]])


def _as(opacity: np.ndarray, dtype: str) -> np.ndarray:
    """Opacity of 0 to 255 as the number that stands for it in ``dtype``: of floats 0 to 1, else 0 to the most."""
    kind = np.dtype(dtype)
    if kind.kind == "f":
        return (opacity / 255).astype(kind)
    return np.rint(opacity * (np.iinfo(kind).max / 255)).astype(kind)


def _divided(pixels: np.ndarray, opacity: np.ndarray) -> np.ndarray:
    """Colours as they are without the alpha that they were multiplied by; none where nothing can be seen."""
    kind = pixels.dtype
    most = 1.0 if kind.kind == "f" else float(np.iinfo(kind).max)
    share = np.divide(pixels, opacity, out=np.zeros(pixels.shape), where=opacity > 0)
    straight = np.clip(share, 0, 1) * most
    return straight.astype(kind) if kind.kind == "f" else np.rint(straight).astype(kind)
