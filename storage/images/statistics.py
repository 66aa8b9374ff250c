"""What an image's values are, measured in one pass over all of it: their range, their mean, and where there are any."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from storage.occupancy import CELL, Occupancy, squares_of

from .histogram import Histogram
from .opened import ImageSource

LOW, HIGH = 0.1, 99.9
"""percentiles between which a range is set"""
_ROWS = 8 * CELL


@dataclass(frozen=True, slots=True, kw_only=True)
class Levels:
    """Of values that are data."""

    least: float
    most: float
    low: float
    """the percentile LOW"""
    high: float
    mean: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Statistics:
    """Of one image."""

    shown: Levels | None
    """of the bands that a model is shown, together; None where nothing is data"""
    bands: tuple[Levels | None, ...]
    """of every band"""
    has_holes: bool
    """whether anything is no data"""
    occupancy: Occupancy | None
    """None where every square holds data"""
    num_unnumbered: int = 0
    """values, NaN or infinite, that are not what stands for no data: the nodata value, or NaN where there is none"""


def measure(source: ImageSource, percentiles: tuple[float, float] = (LOW, HIGH)) -> Statistics:
    """Read the whole image once, row by row; nothing of it stays in memory but counts."""
    info = source.info
    bands = [Histogram(info.dtype) for _ in range(info.num_bands)]
    together, squares, has_holes, num_unnumbered = Histogram(info.dtype), [], False, 0
    for box in source.bands_of_rows(_ROWS):
        pixels, valid = source.look(box)
        for band, histogram in enumerate(bands):
            values = pixels[band] if valid is None else pixels[band][valid[min(band, len(valid) - 1)]]
            histogram.add(values)
            if band in info.shown_bands:
                together.add(values)
        num_unnumbered += _num_unnumbered(pixels, float("nan") if info.nodata is None else info.nodata)
        has_holes = has_holes or (valid is not None and not valid.all())
        squares.append(np.ones((1, 1), bool) if valid is None else squares_of(np.asarray(valid.any(axis=0))))
    whole = None if info.holes == "none" else np.concatenate(squares)
    return Statistics(
        shown=_levels(together, percentiles),
        bands=tuple(_levels(histogram, percentiles) for histogram in bands),
        has_holes=has_holes,
        occupancy=None if whole is None or whole.all() else Occupancy.of(whole, height=info.height, width=info.width),
        num_unnumbered=num_unnumbered,
    )


def _num_unnumbered(pixels: np.ndarray, hole: float) -> int:
    """Values that are no numbers, and not the one that stands for no data either."""
    if pixels.dtype.kind != "f":
        return 0
    held = np.isnan(pixels) if np.isnan(hole) else pixels == pixels.dtype.type(hole)
    return int((~np.isfinite(pixels) & ~held).sum())


def _levels(histogram: Histogram, percentiles: tuple[float, float]) -> Levels | None:
    if histogram.least is None or histogram.most is None:
        return None
    low, high = (histogram.percentile(share) for share in percentiles)
    return Levels(least=histogram.least, most=histogram.most, low=low, high=high, mean=histogram.mean)
