"""How far an enlarged picture, averaged over the square of each input pixel, is off that input: figures that stream.

The square of an input pixel is what its sensor's element saw: a picture that says something else on average says
something that was not measured. Ratios are any fraction; a result's pixel that two squares share counts for each by the
part that lies in it.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

import numpy as np
from numpy.typing import DTypeLike

from storage.images.distinct import Distinct
from storage.images.histogram import Histogram

from .spectra import angles

PERCENTILE = 99.9
_WHOLE = 1 - 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class BandFigures:
    """Of one band, in the pictures' own unit; averaged result minus input. None where nothing is data in both."""

    bias: float | None
    mae: float | None
    rmse: float | None
    p999: float | None
    """the 99.9th percentile of the absolute difference, right to one part in 128, outwards"""
    levels_result: int | None
    """distinct values; None for more than are counted, see distinct.py"""
    levels_input: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Of two pictures."""

    bands: tuple[BandFigures, ...]
    angle: float | None
    """degrees between spectra of the averaged result and the input, on average; None with less than two bands"""
    angle_to_bicubic: float | None
    """the same of the result and of the input enlarged by bicubic"""
    pixels: int
    """input pixels that are data, as is all of the result over them, in some band"""
    only_input: int
    """input pixels that are data where a part of the result is not, in some band"""
    only_result: int
    """the reverse"""


def averaged(values: np.ndarray, ratio: Fraction) -> np.ndarray:
    """``[b, h, w]`` of ``[b, h * ratio, w * ratio]``, both sides whole numbers of the ratio's numerator; float64.

    >>> averaged(np.array([[[1.0, 3.0, 8.0]] * 3]), Fraction(3, 2))[0, 0].round(3)
    array([1.667, 6.333])
    """
    part = _parts(ratio)
    of, step = part.shape
    bands, height = values.shape[:2]
    rows = np.matmul(values.astype(np.float64).reshape(-1, step), part.T).reshape(bands, height, -1)
    cols = rows.reshape(bands, height // step, step, -1)
    found: np.ndarray = np.matmul(part, cols).reshape(bands, height // step * of, -1)
    return found


@lru_cache(maxsize=8)
def _parts(ratio: Fraction) -> np.ndarray:
    """``[q, p]`` for a ratio p / q: what share of each of q squares side by side each of the p pixels over them is."""
    step, of = ratio.numerator, ratio.denominator
    first, pixel = np.arange(of)[:, None] * step, np.arange(step)[None] * of
    overlap = np.minimum(first + step, pixel + of) - np.maximum(first, pixel)
    return np.maximum(overlap, 0) / step


class Agreement:
    """Adds up windows of a result and of its input."""

    def __init__(self, num_bands: int, ratio: Fraction, result: DTypeLike, given: DTypeLike) -> None:
        self._ratio = ratio
        self._sums = np.zeros((3, num_bands))
        self._counts = np.zeros(num_bands, np.int64)
        self._apart = [Histogram(np.float64) for _ in range(num_bands)]
        self._levels = [(Distinct(result), Distinct(given)) for _ in range(num_bands)]
        self._angles = {name: [0.0, 0] for name in ("averaged", "bicubic")}
        self._pixels, self._only_input, self._only_result = 0, 0, 0

    def add(
        self,
        made: np.ndarray,
        low: np.ndarray,
        bicubic: np.ndarray,
        *,
        made_valid: np.ndarray | None = None,
        low_valid: np.ndarray | None = None,
    ) -> None:
        """One window: ``low [b, h, w]``, ``made`` and ``bicubic [b, h * ratio, w * ratio]``, and which are data.

        The masks are ``[b or 1, y, x]``, None for all.
        """
        known = np.ones((1, *low.shape[1:]), bool) if low_valid is None else low_valid
        seen = np.ones((1, *made.shape[1:]), bool) if made_valid is None else made_valid
        whole = averaged(seen, self._ratio) > _WHOLE
        mean, both = averaged(np.where(seen, made, 0), self._ratio), known & whole
        self._add_bands(made, low, mean - np.where(known, low, 0), (seen, known, both))
        self._pixels += int(both.any(axis=0).sum())
        self._only_input += int((known & ~whole).any(axis=0).sum())
        self._only_result += int((whole & ~known).any(axis=0).sum())
        if len(low) > 1:
            self._add_angles("averaged", mean, low, both)
            self._add_angles("bicubic", made, bicubic, seen & _nearest(known, made.shape, self._ratio))

    def _add_bands(
        self, made: np.ndarray, low: np.ndarray, off: np.ndarray, masks: tuple[np.ndarray, np.ndarray, np.ndarray]
    ) -> None:
        for band in range(len(low)):
            seen, known, both = (mask[min(band, len(mask) - 1)] for mask in masks)
            apart = off[band][both]
            self._counts[band] += apart.size
            self._sums[:, band] += apart.sum(), np.abs(apart).sum(), (apart * apart).sum()
            self._apart[band].add(np.abs(apart))
            self._levels[band][0].add(made[band][seen])
            self._levels[band][1].add(low[band][known])

    def _add_angles(self, name: str, first: np.ndarray, second: np.ndarray, mask: np.ndarray) -> None:
        where = mask.all(axis=0)
        found = angles(first[:, where], second[:, where])
        is_defined = np.isfinite(found)
        self._angles[name][0] += float(found[is_defined].sum())
        self._angles[name][1] += int(is_defined.sum())

    def figures(self) -> Figures:
        return Figures(
            bands=tuple(self._band(band) for band in range(len(self._counts))),
            angle=self._angle("averaged"),
            angle_to_bicubic=self._angle("bicubic"),
            pixels=self._pixels,
            only_input=self._only_input,
            only_result=self._only_result,
        )

    def _band(self, band: int) -> BandFigures:
        count = int(self._counts[band])
        bias, mae, squares = (None,) * 3 if not count else (float(total) / count for total in self._sums[:, band])
        result, given = (levels.count for levels in self._levels[band])
        return BandFigures(
            bias=bias,
            mae=mae,
            rmse=None if squares is None else squares**0.5,
            p999=self._apart[band].percentile(PERCENTILE) if count else None,
            levels_result=result,
            levels_input=given,
        )

    def _angle(self, name: str) -> float | None:
        total, count = self._angles[name]
        return total / count if count else None


def _nearest(mask: np.ndarray, shape: tuple[int, ...], ratio: Fraction) -> np.ndarray:
    """``mask [b, h, w]`` at the middle of each of the result's pixels."""
    rows, cols = ((2 * np.arange(length) + 1) * ratio.denominator // (2 * ratio.numerator) for length in shape[-2:])
    found: np.ndarray = mask[:, rows][:, :, cols]
    return found
