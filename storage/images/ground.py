"""From places on the ground to pixels of an image."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from rasterio.crs import CRS
from rasterio.transform import Affine
from rasterio.warp import transform

from .gdal import GDAL_ERRORS, gdal, reason
from .georeference import GeoReference

DEGREES = "OGC:CRS84"
"""longitude and latitude: what GeoJSON's coordinates are where it names no coordinate system (RFC 7946)"""


def to_pixels(geo: GeoReference, points: Sequence[tuple[float, float]], crs: str | None) -> list[tuple[float, float]]:
    """Places x, y on the ground -> y, x in pixels of the image, the first pixel's corner at 0, 0.

    ``crs`` is the places' coordinate system. Where it is None they are degrees; but where they cannot be, or where the
    image names no system either, they are in the image's own. Raises ValueError for an image that lies nowhere.
    """
    if geo.transform is None:
        raise ValueError(
            "its places are on the ground, and the image has no transform from pixels to the ground: "
            "give tags as JSON of boxes in pixels"
        )
    xs, ys = (np.array(values, dtype=np.float64) for values in zip(*points, strict=True))
    source = crs or (DEGREES if geo.crs_wkt and np.abs(xs).max() <= 180 and np.abs(ys).max() <= 90 else None)
    if source is not None:
        if geo.crs_wkt is None:
            raise ValueError(f"its places are in {source}, and the image names no coordinate system")
        xs, ys = _transformed(xs, ys, source, geo.crs_wkt)
    back = ~Affine(*geo.transform)
    cols, rows = back.a * xs + back.b * ys + back.c, back.d * xs + back.e * ys + back.f
    return [(float(row), float(col)) for row, col in zip(rows, cols, strict=True)]


def _transformed(xs: np.ndarray, ys: np.ndarray, source: str, target: str) -> tuple[np.ndarray, np.ndarray]:
    try:
        with gdal():
            found = transform(CRS.from_user_input(source), CRS.from_wkt(target), xs, ys)
    except ValueError as error:
        raise ValueError(f"the coordinate system {source!r} is not known: name it as EPSG:32614 is") from error
    except GDAL_ERRORS as error:
        raise ValueError(f"its places in {source} cannot be found on the image: {reason(error)}") from error
    placed = np.array(found[:2], dtype=np.float64)
    if not np.isfinite(placed).all():
        raise ValueError(f"its places in {source} cannot be found on the image: they have none in its system")
    return placed[0], placed[1]
