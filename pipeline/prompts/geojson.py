"""GeoJSON as a tag file: polygons on the ground and the phrases that hold in them.

    {"type": "FeatureCollection", "features": [
        {"type": "Feature", "properties": {"tags": ["water"]}, "geometry": {"type": "Polygon", "coordinates": ...}},
        {"type": "Feature", "properties": {"tags": {"roof": 0.9}}, "geometry": {"type": "MultiPolygon", ...}}]}

As RFC 7946 has it, with two members of older files and of ours: ``crs`` names a coordinate system other than degrees,
``degradations`` lists phrases that speak of damage.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from .polygon import Ring, Shape
from .tag_file import TagFile, parse_degradations, parse_phrases

ToPixels = Callable[[Sequence[tuple[float, float]], str | None], list[tuple[float, float]]]
"""places x, y in a coordinate system (None: the file names none) -> y, x in input pixels"""


def parse_geojson(table: dict[str, Any], *, where: str, to_pixels: ToPixels, height: int, width: int) -> TagFile:
    """Read the tags of an image of ``height`` x ``width`` input pixels; features beside it are left out.

    Raises ValueError, one line, for what is no such table, or one that was written for another image.
    """
    features = table.get("features")
    if table.get("type") != "FeatureCollection" or not isinstance(features, list) or not features:
        raise ValueError(f"{where}: expected a FeatureCollection with features, got type {table.get('type')!r}")
    crs = _crs(table.get("crs"), where)
    entries = []
    for number, feature in enumerate(features):
        place = f"{where}: features[{number}]"
        rings, tags = _feature(feature, place)
        try:
            shape = Shape(polygons=tuple(tuple(tuple(to_pixels(r, crs)) for r in polygon) for polygon in rings))
        except ValueError as e:
            raise ValueError(f"{place}: {e}") from e
        top, left, bottom, right = shape.bounds
        if top < height and left < width and bottom > 0 and right > 0:
            entries.append((shape, tags))
    if not entries:
        raise ValueError(
            f"{where}: all {len(features)} features lie beside the image of {height} x {width} pixels, the last at "
            f"rows {top:.0f} to {bottom:.0f} and columns {left:.0f} to {right:.0f}: give the file that belongs "
            "to it, or name its crs"
        )
    return TagFile(entries=tuple(entries), degradations=parse_degradations(table, where))


def _crs(crs: Any, where: str) -> str | None:
    if crs is None:
        return None
    properties = crs.get("properties") if isinstance(crs, dict) else None
    name = properties.get("name") if isinstance(properties, dict) else None
    if not isinstance(name, str):
        raise ValueError(f'{where}: crs must be {{"type": "name", "properties": {{"name": ...}}}}, got {crs!r}')
    return name


def _feature(feature: Any, where: str) -> tuple[list[list[Ring]], dict[str, float]]:
    """Rings x, y of each polygon, and the tags."""
    properties = feature.get("properties") if isinstance(feature, dict) else None
    if not isinstance(properties, dict) or "tags" not in properties:
        raise ValueError(f"{where}: expected a feature with tags in its properties")
    geometry = feature.get("geometry")
    kind, coordinates = (geometry.get("type"), geometry.get("coordinates")) if isinstance(geometry, dict) else (None, 0)
    if kind not in ("Polygon", "MultiPolygon"):
        raise ValueError(f"{where}: expected a Polygon or MultiPolygon, got {kind!r}")
    polygons = [coordinates] if kind == "Polygon" else coordinates
    if not isinstance(polygons, list) or not all(isinstance(polygon, list) and polygon for polygon in polygons):
        raise ValueError(f"{where}: expected polygons as lists of rings")
    return [[_ring(ring, where) for ring in polygon] for polygon in polygons], parse_phrases(properties["tags"], where)


def _ring(ring: Any, where: str) -> Ring:
    points = ring if isinstance(ring, list) else []
    if not all(isinstance(p, list) and len(p) >= 2 and all(_is_number(v) for v in p[:2]) for p in points):
        raise ValueError(f"{where}: a ring must be a list of x, y in finite numbers")
    if len(points) < 4 or points[0][:2] != points[-1][:2]:
        raise ValueError(f"{where}: a ring must have at least three corners and end where it begins")
    return tuple((float(p[0]), float(p[1])) for p in points[:-1])


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
