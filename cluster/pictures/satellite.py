"""Comparing a restored satellite picture with the truth and with what it was made from, chip by chip."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from pipeline.imaging.invention import BORDER, Invention, measure
from storage.box import Box
from storage.images import ImageInfo, ImageSource, open_image
from storage.images.strips import Strip, strips

from .bands import as_gray
from .consistency import check_bands, place_warnings, ratio_of, scales_of, without_holes

CHIP = 512
"""pixels a side of a chip of the result, about: what opensr-test's own pictures have"""
_STRIP_BYTES = 96 << 20
"""of a strip of the result or the truth, about, where a chip is not more"""
LEAST_SIDE = 8
"""input pixels a side of a chip that shifts can be found of"""
LEAST_VALID = 0.5
"""of a chip, that is to be data"""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Chip:
    """A window of all three, in the unit that they stand for, holes filled."""

    low: np.ndarray
    made: np.ndarray
    truth: np.ndarray
    valid: np.ndarray
    """bool ``[y, x]`` of the result, where all three are data"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Satellite:
    """What was found of three pictures."""

    scale: int
    figures: Invention
    """means over chips, by how much of each is data"""
    chips: int
    """that were measured"""
    left_out: int
    """chips of which less than LEAST_VALID is data"""
    warnings: tuple[str, ...]


def compare_satellite(result: str, truth: str, given: str, *, trust: bool = False) -> Satellite:
    """The measures of ``invention`` of a result and the truth, of one size, and what the result was made from.

    Raises ImageError for what is no image, and ValueError where the three do not go together.
    """
    with (
        open_image(result, trust=trust) as made,
        open_image(truth, trust=trust) as true,
        open_image(given, trust=trust) as low,
    ):
        return satellite_of(made, true, low)


def satellite_of(made: ImageSource, true: ImageSource, low: ImageSource) -> Satellite:
    """See compare_satellite."""
    made, true, low = as_gray(made, true, low), as_gray(true, made, low), as_gray(low, made, true)
    scale = _check(made.info, true.info, low.info)
    rows, cols = (_edges(length, scale) for length in (low.info.height, low.info.width))
    found: list[tuple[Invention, int]] = []
    for chip in _chips((made, true, low), rows, cols, scale):
        if chip.valid.mean() >= LEAST_VALID:
            found.append((measure(chip.low, chip.made, chip.truth, chip.valid), int(chip.valid.sum())))
    if not found:
        raise ValueError(
            f"{made.info.path}, {true.info.path} and {low.info.path} have nowhere enough data together: give pictures "
            "of one place, half of a chip of which is data"
        )
    return Satellite(
        scale=scale,
        figures=_mean(found),
        chips=len(found),
        left_out=(len(rows) - 1) * (len(cols) - 1) - len(found),
        warnings=(
            *place_warnings(made.info, low.info, Fraction(scale)),
            *place_warnings(made.info, true.info, Fraction(1)),
        ),
    )


def _check(made: ImageInfo, true: ImageInfo, low: ImageInfo) -> int:
    """The scale between them. Raises ValueError."""
    if (made.height, made.width) != (true.height, true.width):
        raise ValueError(
            f"{made.path} is {made.height} x {made.width}, {true.path} {true.height} x {true.width}: --satellite takes "
            "a result and the truth of one size, and what the result was made from"
        )
    ratio = ratio_of(made, low)
    if ratio.denominator > 1 or ratio == 1:
        raise ValueError(
            f"{made.path} is {float(ratio):g} times as large as {low.path}: --satellite compares enlargements by 2, 3, "
            "4 and other whole numbers"
        )
    for other in (true, low):
        check_bands(made, other)
        plain = ((1.0, 0.0),) * made.num_bands
        if made.dtype != other.dtype and plain in (scales_of(made), scales_of(other)):
            raise ValueError(
                f"{made.path} holds {made.dtype}, {other.path} {other.dtype}, and not both say in what unit: write "
                "scale and offset of the bands into the files, or give pictures of one number format"
            )
        if made.dtype == other.dtype and scales_of(made) != scales_of(other):
            raise ValueError(
                f"{made.path} and {other.path} hold {made.dtype} of different scale and offset: write the right ones "
                "into both files"
            )
    scale, least = ratio.numerator, LEAST_SIDE + 2 * border(ratio.numerator)
    if min(low.height, low.width) < least:
        raise ValueError(
            f"{low.path} is {low.height} x {low.width}: --satellite leaves out a border of {border(scale)} pixels, and "
            f"takes at least {least} x {least}"
        )
    return scale


def border(scale: int) -> int:
    """Input pixels that are left out along each edge."""
    return math.ceil(BORDER / scale)


def _edges(length: int, scale: int) -> list[int]:
    """Where chips begin and end along ``length`` input pixels, the border left out: as even as whole numbers are."""
    first, last = border(scale), length - border(scale)
    count = max(1, min(round((last - first) * scale / CHIP), (last - first) // LEAST_SIDE))
    return [first + (last - first) * k // count for k in range(count + 1)]


def _chips(sources: tuple[ImageSource, ...], rows: Sequence[int], cols: Sequence[int], scale: int) -> Iterator[Chip]:
    """All chips, from strips of so many columns at once as memory allows."""
    made, true, low = sources
    height = max(bottom - top for top, bottom in itertools.pairwise(rows)) * scale
    column = height * scale * made.info.num_bands * max(np.dtype(one.info.dtype).itemsize for one in (made, true))
    for group in _groups(cols, _STRIP_BYTES // column):
        fine = [edge * scale for edge in rows]
        wide = (group[0] * scale, group[-1] * scale)
        for triple in zip(
            strips(made, fine, columns=wide),
            strips(true, fine, columns=wide),
            strips(low, rows, columns=(group[0], group[-1])),
            strict=True,
        ):
            for left, right in itertools.pairwise(group):
                box = Box(top=triple[2].box.top, left=left, height=triple[2].box.height, width=right - left)
                yield _cut(sources, triple, box, scale)
            del triple


def _groups(cols: Sequence[int], most: int) -> Iterator[Sequence[int]]:
    """Neighbouring chips' edges, in groups that are ``most`` input pixels wide, or of one chip."""
    first = 0
    for last in range(1, len(cols)):
        if last + 1 == len(cols) or cols[last + 1] - cols[first] > most:
            yield cols[first : last + 1]
            first = last


def _cut(sources: tuple[ImageSource, ...], triple: tuple[Strip, ...], box: Box, scale: int) -> Chip:
    """The chip over ``box`` of the input."""
    valid, values = np.ones(box.scaled(scale).shape, bool), []
    for source, strip, times in zip(sources, triple, (1, 1, scale), strict=True):
        window = (slice(None), *(box if times > 1 else box.scaled(scale)).within(strip.around))
        pixels = strip.pixels[window]
        if strip.valid is not None:
            known = strip.valid[window]
            valid &= known.all(axis=0).repeat(times, axis=0).repeat(times, axis=1)
            pixels = without_holes(pixels, known)
        factors, offsets = np.array(scales_of(source.info)).T[:, :, None, None]
        values.append(pixels * factors + offsets)
    return Chip(made=values[0], truth=values[1], low=values[2], valid=valid)


def _mean(found: list[tuple[Invention, int]]) -> Invention:
    """By area, each figure over the chips that have it."""
    figures = {}
    for name in (field.name for field in dataclasses.fields(Invention)):
        values = np.array([getattr(one, name) for one, _ in found])
        weights = np.array([area for _, area in found], float) * ~np.isnan(values)
        total = float((np.nan_to_num(values) * weights).sum())
        figures[name] = total / float(weights.sum()) if weights.any() else float("nan")
    return Invention(**figures)
