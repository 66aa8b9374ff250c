"""Filling holes from around them, so that a model sees no edge where the data end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from storage.box import Box

from .opened import ImageSource

REACH = 32
"""pixels into a hole that what lies around it is carried; deeper in there is the mean of the band"""
_RADII = (1, 2, 4, 8, 16, REACH)
_COLUMNS = 2048
"""pixels along x that are filled at once"""

Rows = tuple[Box, np.ndarray, np.ndarray | None]
"""rows of an image, their pixels ``[bands, y, x]`` with every hole filled, and which of them are data; see look"""


def filled_rows(source: ImageSource, height: int, means: Sequence[float]) -> Iterator[Rows]:
    """The whole image from top to bottom, as full-width windows of ``height`` rows; ``means``: of each band.

    In memory are two such windows. Every row is read once, in increasing order.
    """
    before: tuple[np.ndarray, np.ndarray] | None = None
    box, pixels, valid = None, None, None
    for next_box, next_pixels, next_valid in _looked(source, height):
        if box is not None and pixels is not None:
            after = None if next_valid is None else (next_pixels[:, :REACH], next_valid[:, :REACH])
            yield box, _filled(pixels, valid, before, after, means), valid
            before = None if valid is None else (pixels[:, -REACH:], valid[:, -REACH:])
        box, pixels, valid = next_box, next_pixels, next_valid
    if box is not None and pixels is not None:
        yield box, _filled(pixels, valid, before, None, means), valid


def _looked(source: ImageSource, height: int) -> Iterator[Rows]:
    for box in source.bands_of_rows(height):
        yield box, *source.look(box)


def _filled(
    pixels: np.ndarray,
    valid: np.ndarray | None,
    before: tuple[np.ndarray, np.ndarray] | None,
    after: tuple[np.ndarray, np.ndarray] | None,
    means: Sequence[float],
) -> np.ndarray:
    if valid is None or valid.all():
        return pixels
    context = [part for part in (before, (pixels, valid), after) if part is not None]
    above = 0 if before is None else before[0].shape[1]
    tall, known = (np.concatenate([part[k] for part in context], axis=1) for k in (0, 1))
    filled, width = pixels.copy(), pixels.shape[2]
    for left in range(0, width, _COLUMNS):
        right = min(left + _COLUMNS, width)
        wide = slice(max(0, left - REACH), min(width, right + REACH))
        rows, cols = slice(above, above + pixels.shape[1]), slice(left - wide.start, right - wide.start)
        for band in range(len(pixels)):
            data = known[min(band, len(known) - 1), :, wide]
            if not data[rows, cols].all():
                filled[band, :, left:right] = fill(tall[band, :, wide], data, means[band])[rows, cols]
    return filled


def fill(values: np.ndarray, valid: np.ndarray, mean: float) -> np.ndarray:
    """``values [y, x]`` with each that is not ``valid`` replaced by the mean of the nearest that are.

    The nearest are those in the smallest square round it, of _RADII, that holds any; without one it becomes ``mean``.
    """
    integral = values.dtype.kind in "iu"
    kind = np.int64 if integral else np.float64
    known = np.where(valid, values, 0).astype(kind)
    sums, counts = (np.pad(one.cumsum(0).cumsum(1), ((1, 0), (1, 0))) for one in (known, valid.astype(np.int64)))
    ys, xs = np.nonzero(~valid)
    found = np.full(len(ys), mean, np.float64)
    waiting = np.ones(len(ys), bool)
    for radius in _RADII:
        y, x = ys[waiting], xs[waiting]
        top, bottom = np.maximum(y - radius, 0), np.minimum(y + radius + 1, values.shape[0])
        left, right = np.maximum(x - radius, 0), np.minimum(x + radius + 1, values.shape[1])
        total, count = (
            table[bottom, right] - table[top, right] - table[bottom, left] + table[top, left]
            for table in (sums, counts)
        )
        found[np.flatnonzero(waiting)[count > 0]] = total[count > 0] / count[count > 0]
        waiting[np.flatnonzero(waiting)[count > 0]] = False
    filled = values.copy()
    filled[ys, xs] = np.rint(found).astype(values.dtype) if integral else found.astype(values.dtype)
    return filled
