"""The attributes of an OME-Zarr picture: OME-NGFF 0.5, and beside it the conventions that put a Zarr on the ground.

https://ngff.openmicroscopy.org/0.5, https://github.com/zarr-conventions (spatial, proj and multiscales, all of them
young): readers find the conventions by their UUIDs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from rasterio.crs import CRS
from rasterio.errors import CRSError

from .gdal import gdal
from .georeference import GeoReference
from .picture import ALPHA, Picture
from .telling import describe, number

AXES = ("c", "y", "x")
_CONVENTIONS = {
    "multiscales": ("d35379db-88df-4056-af3a-620245f8e347", "Multiscale layout of zarr datasets"),
    "proj": ("f17cb550-5864-4468-aeb7-f3180cfb622f", "Coordinate reference system information for geospatial data"),
    "spatial": ("689b58e2-cf7b-45e0-9fff-9cfc0883d6b4", "Spatial coordinate information"),
}
_REGISTERED = "v0.1"
_COLOURS = {"red": "FF0000", "green": "00FF00", "blue": "0000FF"}
_WHITE = "FFFFFF"
_MICROMETRES_AN_INCH = 25400
Shapes = Sequence[tuple[int, int]]
"""height and width of each level, the result's first"""


def attributes(
    picture: Picture, shapes: Shapes, windows: Sequence[tuple[float, float, float, float]]
) -> dict[str, Any]:
    """Of the group; ``windows``: of each channel the least and the most value there can be, then those to be shown."""
    return {
        "ome": {
            "version": "0.5",
            "multiscales": [
                {
                    "name": picture.name,
                    "axes": _axes(picture),
                    "datasets": [_dataset(picture, level) for level in range(len(shapes))],
                    "type": "mean",
                    "metadata": {"description": "averages of what is there: nodata has no part in them"},
                }
            ],
            "omero": {"channels": _channels(picture, windows), "rdefs": {"model": _model(picture)}},
        },
        **_conventions(picture, shapes),
        "gigatile": describe(picture),
    }


def _axes(picture: Picture) -> list[dict[str, str]]:
    unit = _pixel(picture)[2]
    space = {"type": "space"} if unit is None else {"type": "space", "unit": unit}
    return [{"name": "c", "type": "channel"}, {"name": "y", **space}, {"name": "x", **space}]


def _dataset(picture: Picture, level: int) -> dict[str, Any]:
    """Coordinates of pixel centres, from the centre of the result's first pixel on."""
    height, width, _ = _pixel(picture)
    factor = 2**level
    return {
        "path": str(level),
        "coordinateTransformations": [
            {"type": "scale", "scale": [1.0, height * factor, width * factor]},
            {"type": "translation", "translation": [0.0, height * (factor - 1) / 2, width * (factor - 1) / 2]},
        ],
    }


def _pixel(picture: Picture) -> tuple[float, float, str | None]:
    """Height and width of a pixel and their unit: metres on the ground, micrometres on paper, else just pixels.

    Degrees are no unit of OME's, so those have none.
    """
    geo = picture.info.geo.scaled(picture.scale)
    if geo.transform is not None:
        a, b, _, d, e, _ = geo.transform
        metres = _metres(geo.crs_wkt)
        factor = 1.0 if metres is None else metres
        return math.hypot(b, e) * factor, math.hypot(a, d) * factor, None if metres is None else "meter"
    if picture.dpi is not None:
        x, y = picture.dpi
        return _MICROMETRES_AN_INCH / y, _MICROMETRES_AN_INCH / x, "micrometer"
    return 1.0, 1.0, None


def _metres(wkt: str | None) -> float | None:
    """Metres of a coordinate system's unit; None for degrees, and where it has none."""
    if wkt is None:
        return None
    with gdal():
        try:
            crs = CRS.from_wkt(wkt)
            return None if crs.is_geographic else float(crs.linear_units_factor[1])
        except CRSError:
            return None


def _channels(picture: Picture, windows: Sequence[tuple[float, float, float, float]]) -> list[dict[str, Any]]:
    names = (*picture.descriptions, *[None] * picture.num_bands)
    found = []
    for place, (colour, (least, most, start, end)) in enumerate(zip(picture.colours, windows, strict=True)):
        is_shown = colour in _COLOURS if picture.is_rgb else place == 0
        plain = colour if colour != "undefined" else f"band {place + 1}"
        label = ALPHA if colour == ALPHA else names[place] or plain
        found.append(
            {
                "label": label,
                "color": _COLOURS.get(colour, _WHITE) if picture.is_rgb else _WHITE,
                "active": is_shown and colour != ALPHA,
                "window": {"min": least, "max": most, "start": start, "end": end},
            }
        )
    return found


def _model(picture: Picture) -> str:
    return "color" if picture.is_rgb else "greyscale"


def _conventions(picture: Picture, shapes: Shapes) -> dict[str, Any]:
    geo = picture.info.geo.scaled(picture.scale)
    place = {**_spatial(geo, shapes[0]), **_proj(geo)}
    names = [name for name in _CONVENTIONS if name == "multiscales" or any(key.startswith(name) for key in place)]
    return {
        "zarr_conventions": [
            {
                "uuid": _CONVENTIONS[name][0],
                "name": name,
                "description": _CONVENTIONS[name][1],
                "schema_url": f"https://raw.githubusercontent.com/zarr-conventions/{name}/refs/tags/{_REGISTERED}/schema.json",
                "spec_url": f"https://github.com/zarr-conventions/{name}/blob/{_REGISTERED}/README.md",
            }
            for name in names
        ],
        "multiscales": {
            "layout": [_layout(geo, level, shape) for level, shape in enumerate(shapes)],
            "resampling_method": "average",
        },
        **place,
    }


def _layout(geo: GeoReference, level: int, shape: tuple[int, int]) -> dict[str, Any]:
    found: dict[str, Any] = {"asset": str(level)}
    if level:
        found |= {"derived_from": str(level - 1), "transform": {"scale": [2.0, 2.0], "translation": [0.0, 0.0]}}
    if geo.transform is not None:
        found |= {"spatial:shape": list(shape), "spatial:transform": level_transform(geo, level)}
    return found


def level_transform(geo: GeoReference, level: int) -> list[float]:
    """Of a level: pixels 2^level times as large, from the same corner."""
    assert geo.transform is not None
    a, b, c, d, e, f = geo.transform
    factor = 2**level
    return [a * factor, b * factor, c, d * factor, e * factor, f]


def _spatial(geo: GeoReference, shape: tuple[int, int]) -> dict[str, Any]:
    if geo.transform is None:
        return {}
    a, b, c, d, e, f = geo.transform
    height, width = shape
    corners = [(0, 0), (width, 0), (0, height), (width, height)]
    xs, ys = [a * col + b * row + c for col, row in corners], [d * col + e * row + f for col, row in corners]
    return {
        "spatial:dimensions": list(AXES[1:]),
        "spatial:transform": level_transform(geo, 0),
        "spatial:transform_type": "affine",
        "spatial:shape": [height, width],
        "spatial:bbox": [min(xs), min(ys), max(xs), max(ys)],
        "spatial:registration": "pixel",
    }


def _proj(geo: GeoReference) -> dict[str, Any]:
    if geo.crs_wkt is None:
        return {}
    with gdal():
        crs = CRS.from_wkt(geo.crs_wkt)
        try:
            authority, wkt = crs.to_authority(), crs.to_wkt(version="WKT2_2019")
        except CRSError:  # of a local one, as engineers draw
            authority, wkt = None, geo.crs_wkt
    return {**({"proj:code": ":".join(authority)} if authority else {}), "proj:wkt2": wkt}


def window(values: np.ndarray, dtype: str) -> tuple[float, float, float, float]:
    """Of one channel: the least and the most of its numbers, or of floats that are there, and percentiles 0.1 and 99.9.

    ``values``: of those pixels of the smallest level that are there.
    """
    kind, known = np.dtype(dtype), values[np.isfinite(values)]
    low, high = (0.0, 1.0) if known.size == 0 else (float(one) for one in np.percentile(known, (0.1, 99.9)))
    high = high if high > low else low + 1.0
    if kind == np.uint8:
        return 0.0, 255.0, 0.0, 255.0
    if kind.kind == "f":
        return (
            (low, high, low, high)
            if known.size == 0
            else (float(known.min()), max(float(known.max()), high), low, high)
        )
    return float(np.iinfo(kind).min), float(np.iinfo(kind).max), low, high


def array_attributes(picture: Picture, level: int, shape: tuple[int, int]) -> dict[str, Any]:
    """Of one level: what readers that open it alone need, such as xarray."""
    geo = picture.info.geo.scaled(picture.scale)
    found: dict[str, Any] = {}
    if geo.transform is not None:
        found |= {**_spatial(GeoReference(transform=_six(level_transform(geo, level))), shape), **_proj(geo)}
    measures = {(band.scale, band.offset, band.unit) for band in picture.bands}
    if len(measures) == 1 and picture.alpha is None:
        scale, offset, unit = measures.pop()
        found |= {} if (scale, offset) == (1.0, 0.0) else {"scale_factor": scale, "add_offset": offset}
        found |= {} if unit is None else {"units": unit}
    if picture.nodata is not None:
        found["nodata"] = number(picture.nodata)
    return found


def _six(values: list[float]) -> tuple[float, float, float, float, float, float]:
    a, b, c, d, e, f = values
    return a, b, c, d, e, f
