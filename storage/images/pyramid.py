"""Smaller pictures of a result, each half as large as the one before: averages of what is there.

A pixel of level n stands for 2^n x 2^n pixels of the result, those at the right and lower edges for as many as there
are. Nodata, NaN and what alpha hides have no part in an average; a pixel none of whose four is there is none itself.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rasterio.windows import Window

from storage.box import Box

from .gdal import open_raster
from .picture import Picture
from .tiff import tile_side


@dataclass(frozen=True, slots=True, kw_only=True)
class Holes:
    """How a value says that it is none."""

    nodata: float | None = None
    """what stands for none, in every band but alpha"""
    has_alpha: bool = False
    """whether the last band is opacity"""
    is_hard: bool = False
    """whether that band says of each pixel that it is there or not"""

    @classmethod
    def of(cls, picture: Picture) -> Holes:
        """Of a result's values; a nodata value is one also where the format cannot say so."""
        return cls(nodata=picture.none_value, has_alpha=picture.alpha is not None, is_hard=picture.is_hard)


def level_shapes(height: int, width: int, side: int) -> list[tuple[int, int]]:
    """Height and width of all levels, from the result itself down to one that fits in ``side`` x ``side`` pixels.

    >>> level_shapes(1030, 700, 512), level_shapes(512, 3, 512)
    ([(1030, 700), (515, 350), (258, 175)], [(512, 3)])
    """
    shapes = [(height, width)]
    while max(shapes[-1]) > side:
        shapes.append((math.ceil(shapes[-1][0] / 2), math.ceil(shapes[-1][1] / 2)))
    return shapes


def halve(pixels: np.ndarray, holes: Holes) -> np.ndarray:
    """``[bands, y, x]`` as ``[bands, (y + 1) // 2, (x + 1) // 2]`` of the same numbers.

    Whole numbers are rounded, halves to the even one. No average becomes the nodata value.

    >>> halve(np.array([[[1, 3, 9], [0, 5, 0]]], np.uint8), Holes(nodata=0))
    array([[[3, 9]]], dtype=uint8)
    """
    if not holes.has_alpha and holes.nodata is None and pixels.dtype.kind != "f":
        return np.stack([_halve_whole(band) for band in pixels])
    opacity = _opacity(pixels[-1]) if holes.has_alpha else None
    colours = pixels[:-1] if holes.has_alpha else pixels
    halved = [_halve_band(band, opacity, holes.nodata) for band in colours]
    if holes.has_alpha:
        halved.append(_most(pixels[-1]) if holes.is_hard else _halve_band(pixels[-1], None, None))
    return np.stack(halved)


def _opacity(band: np.ndarray) -> np.ndarray:
    """0 to 1, so that values beside it stay exact."""
    return band.astype(np.float64) / (1.0 if band.dtype.kind == "f" else np.iinfo(band.dtype).max)


def _halve_whole(band: np.ndarray) -> np.ndarray:
    """Of whole numbers that are all there, in whole numbers: several times as fast."""
    height, width = band.shape
    even = np.pad(band, ((0, height % 2), (0, width % 2)), mode="edge") if height % 2 or width % 2 else band
    wide = np.int32 if band.dtype.itemsize <= 2 else np.int64
    rows = np.add(even[0::2], even[1::2], dtype=wide)
    sums = rows[:, 0::2] + rows[:, 1::2]
    # halves to the even one: what lies between two quarters goes up where the lower one is odd
    return ((sums + 1 + ((sums >> 2) & 1)) >> 2).astype(band.dtype)


def _halve_band(band: np.ndarray, opacity: np.ndarray | None, nodata: float | None) -> np.ndarray:
    values, weights = band.astype(np.float64), np.ones(band.shape) if opacity is None else opacity
    there = ~_is_none(band, nodata) & (weights > 0)
    totals = _sum(np.where(there, weights, 0.0))
    sums = _sum(np.where(there, values, 0.0) * np.where(there, weights, 0.0))
    means = np.divide(sums, totals, out=np.zeros(sums.shape), where=totals > 0)
    return _as(means, totals > 0, band.dtype, nodata)


def _as(means: np.ndarray, is_there: np.ndarray, kind: np.dtype, nodata: float | None) -> np.ndarray:
    if kind.kind == "f":
        found = means.astype(kind)
        found[~is_there] = np.nan if nodata is None else nodata
    else:
        found = np.clip(np.rint(means), np.iinfo(kind).min, np.iinfo(kind).max).astype(kind)
        found[~is_there] = 0 if nodata is None else int(nodata)
    if nodata is not None and not math.isnan(nodata):
        hit = is_there & (found == kind.type(nodata))
        found[hit] = beside(kind, nodata)
    return found


def beside(kind: np.dtype, nodata: float) -> Any:
    """The next value, for an average that would say that there is none."""
    if kind.kind == "f":
        return np.nextafter(kind.type(nodata), kind.type(np.inf if nodata < 0 else -np.inf))
    return int(nodata) + (1 if nodata < np.iinfo(kind).max else -1)


def _is_none(band: np.ndarray, nodata: float | None) -> np.ndarray:
    none = np.isnan(band) if band.dtype.kind == "f" else np.zeros(band.shape, bool)
    return none if nodata is None or math.isnan(nodata) else none | (band == band.dtype.type(nodata))


def _sum(values: np.ndarray) -> np.ndarray:
    """Of each four pixels; those beyond the edges are zero."""
    even = _even(values)
    with np.errstate(invalid="ignore"):  # of infinities of both signs there is no average
        return even[0::2, 0::2] + even[0::2, 1::2] + even[1::2, 0::2] + even[1::2, 1::2]


def _most(values: np.ndarray) -> np.ndarray:
    even = _even(values)
    return np.maximum.reduce([even[0::2, 0::2], even[0::2, 1::2], even[1::2, 0::2], even[1::2, 1::2]])


def _even(values: np.ndarray) -> np.ndarray:
    height, width = values.shape
    return np.pad(values, ((0, height % 2), (0, width % 2))) if height % 2 or width % 2 else values


def write_levels(scratch: Path, picture: Picture, side: int) -> list[Path]:
    """Rasters of all levels, ``scratch``, which holds the result, first; the others lie beside it.

    In memory are some tiles of two levels.
    """
    holes, paths = Holes.of(picture), [scratch]
    for level, shape in enumerate(level_shapes(picture.height, picture.width, side)[1:], 1):
        path = scratch.with_name(f"{scratch.name}.{level}.tif")
        _write_level(paths[-1], path, shape, holes, picture)
        paths.append(path)
    return paths


def _write_level(source: Path, path: Path, shape: tuple[int, int], holes: Holes, picture: Picture) -> None:
    side = tile_side(picture)
    profile: dict[str, Any] = {
        "driver": "GTiff",
        "height": shape[0],
        "width": shape[1],
        "count": picture.num_bands,
        "dtype": picture.dtype,
        "tiled": True,
        "blockxsize": side,
        "blockysize": side,
        "COMPRESS": "ZSTD",
        "ZSTD_LEVEL": 1,
        "BIGTIFF": "YES",
    }
    with open_raster(str(source)) as larger, open_raster(str(path), "w", **profile) as smaller:
        for box in windows(*shape, side):
            large = Box(
                top=2 * box.top,
                left=2 * box.left,
                height=min(2 * box.height, larger.height - 2 * box.top),
                width=min(2 * box.width, larger.width - 2 * box.left),
            )
            pixels = larger.read(window=window_of(large))
            smaller.write(halve(pixels, holes), window=window_of(box))


def windows(height: int, width: int, side: int, across: int | None = None) -> Iterator[Box]:
    """Windows of ``side`` rows and ``across`` columns, as many as rows if not given, that cover a picture, row by row.

    They are smaller at its right and lower edges.

    >>> [(box.top, box.left, box.height, box.width) for box in windows(3, 2, 2)]
    [(0, 0, 2, 2), (2, 0, 1, 2)]
    """
    for top in range(0, height, side):
        for left in range(0, width, across or side):
            yield Box(top=top, left=left, height=min(side, height - top), width=min(across or side, width - left))


def window_of(box: Box) -> Window:
    """A box as rasterio has it."""
    return Window(box.left, box.top, box.width, box.height)
