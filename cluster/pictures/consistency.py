"""Comparing an enlarged picture with what it was made from, window by window."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from pipeline.imaging.agreement import Agreement, Figures
from pipeline.imaging.resample import enlarge_cubic, source
from storage.box import Box
from storage.images import ImageInfo, ImageSource, open_image
from storage.images.filling import fill
from storage.images.strips import Strip, strips

from .bands import as_gray

LARGEST_PART = 16
"""largest denominator of a ratio between two sizes: beyond, one picture is cut and not enlarged"""
_MARGIN = 3
"""input pixels round a window that bicubic reads of"""
_ROWS = 512
"""rows of the result that are read at once, at most"""
_STRIP_BYTES = 64 << 20
"""of those rows, at most, where a row is not more"""
_WINDOW_VALUES = 1 << 20
"""values of the result that are compared at once, about"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Consistency:
    """What was found of a result and its input."""

    ratio: Fraction
    """result pixels along each axis of one input pixel"""
    names: tuple[str | None, ...]
    """of the bands, as the input has them"""
    figures: Figures
    warnings: tuple[str, ...]


def are_of_one_size(first: str, second: str, *, trust: bool = False) -> bool:
    """Whether two images have the same pixels along both axes."""
    with open_image(first, trust=trust) as a, open_image(second, trust=trust) as b:
        return (a.info.height, a.info.width) == (b.info.height, b.info.width)


def check_consistency(result: str, given: str, *, trust: bool = False) -> Consistency:
    """Figures of ``result`` averaged over each pixel of ``given``.

    Raises ImageError for what is no image, and ValueError where one is not an enlargement of the other.
    """
    with open_image(result, trust=trust) as made, open_image(given, trust=trust) as low:
        return consistency_of(made, low)


def consistency_of(made: ImageSource, low: ImageSource) -> Consistency:
    """See check_consistency."""
    made, low = as_gray(made, low), as_gray(low, made)
    ratio = ratio_of(made.info, low.info)
    check_bands(made.info, low.info)
    check_units(made.info, low.info)
    agreement = Agreement(low.info.num_bands, ratio, made.info.dtype, low.info.dtype)
    edges = _edges(made.info, low.info, ratio)
    for wide, small in zip(strips(made, [int(e * ratio) for e in edges]), strips(low, edges, _MARGIN), strict=True):
        for ours, theirs in _windows(wide.box, small.box, ratio, low.info.num_bands):
            _add(agreement, (made, wide, ours), (low, small, theirs))
        del wide, small
    return Consistency(
        ratio=ratio,
        names=low.info.descriptions,
        figures=agreement.figures(),
        warnings=place_warnings(made.info, low.info, ratio),
    )


def ratio_of(made: ImageInfo, low: ImageInfo) -> Fraction:
    """Result pixels along each axis of one input pixel; raises ValueError where there is no such number."""
    down, across = Fraction(made.height, low.height), Fraction(made.width, low.width)
    if down != across or min(down.numerator, down.denominator) > LARGEST_PART:
        raise ValueError(
            f"{_size(made)} is no multiple of {_size(low)}: {float(down):g} times the height, {float(across):g} times "
            "the width; give a picture and its enlargement, whole both, or two of one size"
        )
    if down < 1:
        raise ValueError(
            f"{_size(made)} is smaller than {_size(low)}: give the enlarged picture first, what it was made from second"
        )
    return down


def check_bands(made: ImageInfo, low: ImageInfo) -> None:
    """Raises ValueError where they have not as many bands."""
    if made.num_bands != low.num_bands:
        raise ValueError(
            f"{made.path} has {made.num_bands} bands, {low.path} {low.num_bands}: they cannot be compared; give "
            "pictures of the same bands"
        )


def check_units(made: ImageInfo, low: ImageInfo) -> None:
    """Raises ValueError where their numbers do not stand for the same, as far as the files say."""
    ours, theirs = scales_of(made), scales_of(low)
    if ours != theirs:
        raise ValueError(
            f"{made.path} and {low.path} cannot be compared: their bands' scale and offset are {_shown(ours)} against "
            f"{_shown(theirs)}; give pictures in one unit, or write the right scale and offset into both files"
        )


def scales_of(info: ImageInfo) -> tuple[tuple[float, float], ...]:
    """Scale and offset of each band's values."""
    bands = info.metadata.bands
    return tuple((band.scale, band.offset) for band in bands) if bands else ((1.0, 0.0),) * info.num_bands


def place_warnings(made: ImageInfo, low: ImageInfo, ratio: Fraction) -> tuple[str, ...]:
    """A line where both say where they lie, and it is not the same place, by more than a hundredth of a pixel."""
    if made.transform is None or low.transform is None:
        return ()
    a, b, c, d, e, f = low.transform
    pixel = max(math.hypot(a, d), math.hypot(b, e))
    share = float(1 / ratio)
    expected = (a * share, b * share, c, d * share, e * share, f)
    ours = made.transform
    corners = [(0, 0), (0, made.width), (made.height, 0), (made.height, made.width)]
    off = max(
        abs((ours[k] - expected[k]) * x + (ours[k + 1] - expected[k + 1]) * y + ours[k + 2] - expected[k + 2])
        for y, x in corners
        for k in (0, 3)
    )
    if made.crs_wkt == low.crs_wkt and off <= pixel / 100:
        return ()
    return (f"{made.path} and {low.path} do not say that they show the same place: they are compared pixel by pixel",)


def _size(info: ImageInfo) -> str:
    return f"{info.path} ({info.height} x {info.width})"


def _shown(scales: tuple[tuple[float, float], ...]) -> str:
    return ", ".join(dict.fromkeys(f"{scale:g} and {offset:g}" for scale, offset in scales))


def _edges(made: ImageInfo, low: ImageInfo, ratio: Fraction) -> list[int]:
    """Input rows at which strips begin and end: whole numbers of the result's rows."""
    row = made.width * made.num_bands * np.dtype(made.dtype).itemsize
    step = ratio.denominator
    rows = max(step, int(min(_ROWS, _STRIP_BYTES // row) / ratio) // step * step)
    return [*range(0, low.height, rows), low.height]


def _windows(wide: Box, small: Box, ratio: Fraction, num_bands: int) -> Iterator[tuple[Box, Box]]:
    """Boxes of the result and of the input, side by side, that make up two strips of the same rows."""
    step = ratio.denominator
    cols = max(step, int(_WINDOW_VALUES / (wide.height * num_bands) / ratio) // step * step)
    for left in range(0, small.width, cols):
        width = min(cols, small.width - left)
        yield (
            Box(top=wide.top, left=int(left * ratio), height=wide.height, width=int(width * ratio)),
            Box(top=small.top, left=left, height=small.height, width=width),
        )


def _add(agreement: Agreement, ours: tuple[ImageSource, Strip, Box], theirs: tuple[ImageSource, Strip, Box]) -> None:
    (made, wide, box), (low, small, box_in) = ours, theirs
    seen = source(low.info.canvas, made.info.canvas, box)
    context, known = _cut(small, seen)
    filled = context if known is None else without_holes(context, known)
    agreement.add(
        _cut(wide, box)[0],
        _cut(small, box_in)[0],
        enlarge_cubic(lambda _: filled, low.info.canvas, made.info.canvas, box),
        made_valid=_cut(wide, box)[1],
        low_valid=_cut(small, box_in)[1],
    )


def without_holes(pixels: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """``pixels [b, y, x]`` with what is not ``valid [b or 1, y, x]`` filled from around it."""
    filled = []
    for band, values in enumerate(pixels):
        known = valid[min(band, len(valid) - 1)]
        mean = float(values[known].mean(dtype=np.float64)) if known.any() else 0.0
        filled.append(values if known.all() else fill(values, known, mean))
    return np.stack(filled)


def _cut(strip: Strip, box: Box) -> tuple[np.ndarray, np.ndarray | None]:
    window = (slice(None), *box.within(strip.around))
    return strip.pixels[window], None if strip.valid is None else strip.valid[window]
