"""Where an image lies on the earth, in degrees: its outline as GeoJSON has it (RFC 7946)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from rasterio.crs import CRS
from rasterio.transform import Affine
from rasterio.warp import transform

from .gdal import GDAL_ERRORS, gdal

_WGS84 = "OGC:CRS84"
_POINTS_A_SIDE = 8
"""straight lines of a projection are curves in degrees"""
_DIGITS = 9
"""of a degree: a tenth of a millimetre"""

Ring = list[tuple[float, float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Footprint:
    """The outline of one image."""

    rings: tuple[Ring, ...]
    """longitude and latitude, counterclockwise, closed; two where the antimeridian cuts the image"""

    @property
    def geometry(self) -> dict[str, Any]:
        if len(self.rings) == 1:
            return {"type": "Polygon", "coordinates": [_lists(self.rings[0])]}
        return {"type": "MultiPolygon", "coordinates": [[_lists(ring)] for ring in self.rings]}

    @property
    def bbox(self) -> list[float]:
        """West, south, east, north; west is more than east where the antimeridian lies between."""
        boxes = [(min(x for x, _ in ring), max(x for x, _ in ring)) for ring in self.rings]
        ys = [y for ring in self.rings for _, y in ring]
        return [boxes[0][0], min(ys), boxes[-1][1], max(ys)]


def find_footprint(
    crs_wkt: str, affine: tuple[float, float, float, float, float, float], height: int, width: int
) -> Footprint | None:
    """Of an image of ``height`` x ``width`` pixels; None where a part of its edge lies nowhere on the earth."""
    share = np.arange(_POINTS_A_SIDE) / _POINTS_A_SIDE
    cols = np.concatenate([share, np.ones_like(share), 1 - share, np.zeros_like(share)]) * width
    rows = np.concatenate([np.zeros_like(share), share, np.ones_like(share), 1 - share]) * height
    to_ground = Affine(*affine)
    xs, ys = (
        to_ground.a * cols + to_ground.b * rows + to_ground.c,
        to_ground.d * cols + to_ground.e * rows + to_ground.f,
    )
    try:
        with gdal():
            places = transform(CRS.from_wkt(crs_wkt), CRS.from_user_input(_WGS84), xs, ys)[:2]
    except GDAL_ERRORS:  # what GDAL says of some places, and passes over with infinity for others
        return None
    found = np.array(places, dtype=np.float64)
    if not np.isfinite(found).all():
        return None
    lon = np.unwrap(found[0], period=360.0)
    lon -= 360.0 * np.floor((lon.min() + 180.0) / 360.0)
    ring = _counterclockwise([(float(x), float(y)) for x, y in zip(lon, found[1], strict=True)])
    if lon.max() <= 180.0:
        return Footprint(rings=(_closed(ring),))
    west = _clipped(ring, keep_below=True)
    east = [(x - 360.0, y) for x, y in _clipped(ring, keep_below=False)]
    return Footprint(rings=(_closed(west), _closed(east)))


def _counterclockwise(ring: Ring) -> Ring:
    area = sum(x0 * y1 - x1 * y0 for (x0, y0), (x1, y1) in zip(ring, [*ring[1:], ring[0]], strict=True))
    return ring if area > 0 else ring[::-1]


def _clipped(ring: Ring, *, keep_below: bool) -> Ring:
    """The part of a ring on one side of longitude 180 (Sutherland and Hodgman's way)."""
    kept: Ring = []
    for (x0, y0), (x1, y1) in zip(ring, [*ring[1:], ring[0]], strict=True):
        is_in, comes_in = (x0 <= 180.0, x1 <= 180.0) if keep_below else (x0 >= 180.0, x1 >= 180.0)
        if is_in:
            kept.append((x0, y0))
        if is_in != comes_in:
            kept.append((180.0, y0 + (y1 - y0) * (180.0 - x0) / (x1 - x0)))
    return kept


def _closed(ring: Ring) -> Ring:
    rounded = [(round(x, _DIGITS), round(y, _DIGITS)) for x, y in ring]
    return [*rounded, rounded[0]]


def _lists(ring: Sequence[tuple[float, float]]) -> list[list[float]]:
    return [list(point) for point in ring]
