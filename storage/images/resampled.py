"""An image enlarged by a ratio before anything else sees it: bicubic, by pixel areas, window by window.

Pixel Y of the result lies at (Y + 0.5) / ratio - 0.5 of the source, whatever window it is read in. Beyond its edges the
source repeats its last row and column. A pixel is data where the source's pixel under its middle is; where one of those
round it is none, it is the mean of the others, weighted bilinearly.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from storage.box import Box

from .info import ImageInfo
from .opened import ImageSource
from .pyramid import beside

A = -0.75
"""of the cubic kernel: OpenCV's and torch's"""
_TAPS = 4


class ResampledSource(ImageSource):
    """See ImageSource; it closes its source with itself."""

    def __init__(self, source: ImageSource, ratio: Fraction) -> None:
        """Raises ValueError for a ratio below 1."""
        if ratio < 1:
            raise ValueError(f"an image is enlarged by 1 or more, got {float(ratio):g}")
        self._source, self.ratio = source, ratio
        self.info = _enlarged(source.info, ratio)

    def fingerprint(self) -> str:
        """The source's: the file is the same."""
        return self._source.fingerprint()

    def stamp(self) -> str:
        return self._source.stamp()

    def close(self) -> None:
        self._source.close()

    def alpha(self, box: Box) -> np.ndarray | None:
        rows, cols = self._axes(box)
        opacity = self._source.alpha(_window(rows, cols))
        if opacity is None:
            return None
        return np.rint(_apply(opacity[None].astype(np.float64), rows, cols, "linear")[0]).astype(np.uint8)

    def _look(self, box: Box) -> tuple[np.ndarray, np.ndarray | None]:
        rows, cols = self._axes(box)
        stored, valid = self._source.look(_window(rows, cols))
        values = np.nan_to_num(stored.astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0)
        found = _apply(values, rows, cols, "cubic")
        if valid is None:
            return _as(found, stored.dtype), None
        there = np.broadcast_to(valid, stored.shape).astype(np.float64)
        shares = _apply(there, rows, cols, "linear")
        sums = _apply(np.where(there > 0, values, 0), rows, cols, "linear")
        means = np.divide(sums, shares, out=np.zeros_like(sums), where=shares > 0)
        has_all = _apply(there, rows, cols, "count") == _TAPS**2
        kept = _as(np.where(has_all, found, means), stored.dtype, self.info.nodata)
        middle = valid[:, rows.middle][:, :, cols.middle]
        nearest = stored[:, rows.middle][:, :, cols.middle]
        return np.where(np.broadcast_to(middle, kept.shape), kept, nearest), middle

    def _axes(self, box: Box) -> tuple[_Axis, _Axis]:
        source = self._source.info
        return (
            _Axis.of(box.top, box.bottom, self.ratio, source.height),
            _Axis.of(box.left, box.right, self.ratio, source.width),
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Axis:
    """What pixels along one axis are made of: four pixels each, by their places in a window of the source."""

    first: int
    """of the window"""
    last: int
    """behind it"""
    taps: np.ndarray
    """[pixels, 4]: places in the window"""
    middle: np.ndarray
    """[pixels]: the place of what lies under each"""
    weights: Mapping[str, np.ndarray]
    """[pixels, 4] by the kind of mean; "count" is one for each"""

    @classmethod
    def of(cls, begin: int, end: int, ratio: Fraction, length: int) -> _Axis:
        """Of pixels ``begin`` to ``end``; whole numbers decide which pixels they lie between."""
        up, down = ratio.numerator, ratio.denominator
        pixels = np.arange(begin, end, dtype=np.int64)
        # (pixel + 1/2) / ratio - 1/2, in units of 1 / (2 up)
        place = (2 * pixels + 1) * down - up
        lower, share = place // (2 * up), (place % (2 * up)) / (2 * up)
        offsets = np.arange(-1, _TAPS - 1)
        touched = np.clip(lower[:, None] + offsets, 0, length - 1)
        first, last = int(touched.min()), int(touched.max()) + 1
        away = share[:, None] - offsets
        middle = np.clip((2 * pixels + 1) * down // (2 * up), 0, length - 1) - first
        weights = {"cubic": _cubic(away), "linear": np.maximum(0, 1 - np.abs(away)), "count": np.ones(away.shape)}
        return cls(first=first, last=last, taps=touched - first, middle=middle, weights=weights)


def _window(rows: _Axis, cols: _Axis) -> Box:
    return Box(top=rows.first, left=cols.first, height=rows.last - rows.first, width=cols.last - cols.first)


def _apply(values: np.ndarray, rows: _Axis, cols: _Axis, kind: str) -> np.ndarray:
    """Means of ``[bands, y, x]`` along both axes, a tap at a time."""
    down, across = rows.weights[kind], cols.weights[kind]
    tall = sum(values[:, rows.taps[:, tap]] * down[:, tap, None] for tap in range(_TAPS))
    found: np.ndarray = sum(tall[:, :, cols.taps[:, tap]] * across[:, tap] for tap in range(_TAPS))
    return found


def _cubic(distance: np.ndarray) -> np.ndarray:
    """Keys's kernel (1981)."""
    d = np.abs(distance)
    inner = ((A + 2) * d - (A + 3)) * d**2 + 1
    outer = A * (((d - 5) * d + 8) * d - 4)
    return np.where(d <= 1, inner, np.where(d < 2, outer, 0.0))


def _as(values: np.ndarray, kind: np.dtype, hole: float | None = None) -> np.ndarray:
    """In the source's number format; data do not become what stands for none."""
    if kind.kind == "f":
        return values.astype(kind)
    limits = np.iinfo(kind)
    found = np.clip(np.rint(values), limits.min, limits.max).astype(kind)
    if hole is not None and limits.min <= hole <= limits.max and hole == int(hole):
        found[found == int(hole)] = beside(kind, hole)
    return found


def _enlarged(info: ImageInfo, ratio: Fraction) -> ImageInfo:
    """What is known of the image at its new size; its place on the ground stays."""
    height, width = (int(side * ratio + Fraction(1, 2)) for side in (info.height, info.width))
    dpi = None if info.dpi is None else (info.dpi[0] * float(ratio), info.dpi[1] * float(ratio))
    said = f"it is enlarged by {float(ratio):g} first (bicubic), to {height} x {width} pixels; the model sees that"
    return replace(
        info, height=height, width=width, geo=info.geo.scaled(float(ratio)), dpi=dpi, notes=(*info.notes, said)
    )
