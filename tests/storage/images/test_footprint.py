from __future__ import annotations

from itertools import pairwise

import pytest
from rasterio.crs import CRS

from storage.images.footprint import Footprint, Ring, find_footprint

DEGREES = CRS.from_epsg(4326).to_wkt()


def outline(left: float, top: float, side: float, wkt: str = DEGREES, size: int = 10) -> Footprint:
    found = find_footprint(wkt, (side, 0.0, left, 0.0, -side, top), size, size)
    assert found is not None
    return found


def area(ring: Ring) -> float:
    return sum(x0 * y1 - x1 * y0 for (x0, y0), (x1, y1) in pairwise(ring)) / 2


def test_in_degrees_it_is_the_image() -> None:
    found = outline(7.0, 46.0, 0.1)
    assert found.bbox == [7.0, 45.0, 8.0, 46.0]
    (ring,) = found.rings
    assert ring[0] == ring[-1]
    assert area(ring) == pytest.approx(1.0), "counterclockwise"
    assert found.geometry["type"] == "Polygon"


def test_in_metres_it_is_where_the_zone_puts_it() -> None:
    """The middle of a zone is its central meridian, and a metre at the equator a known part of a degree."""
    found = outline(499_500.0, 500.0, 100.0, CRS.from_epsg(32631).to_wkt())
    west, south, east, north = found.bbox
    assert (west + east) / 2 == pytest.approx(3.0, abs=1e-9)
    assert (south + north) / 2 == pytest.approx(0.0, abs=1e-9)
    assert east - west == pytest.approx(1000 / 0.9996 / 111_319.49, rel=1e-4)


@pytest.mark.parametrize("left", [179.5, -180.5])
def test_the_antimeridian_cuts_it_in_two(left: float) -> None:
    found = outline(left, 10.0, 0.1)
    assert found.bbox == [179.5, 9.0, -179.5, 10.0]
    assert found.geometry["type"] == "MultiPolygon"
    west, east = found.rings
    assert {x for x, _ in west} <= {x for x, _ in west if 179.5 <= x <= 180.0}
    assert all(-180.0 <= x <= -179.5 for x, _ in east)
    assert [area(ring) for ring in found.rings] == pytest.approx([0.5, 0.5])


def test_what_lies_beyond_the_earth_has_none() -> None:
    orthographic = CRS.from_string("+proj=ortho +lat_0=0 +lon_0=0").to_wkt()
    assert find_footprint(orthographic, (2e6, 0.0, -1e7, 0.0, -2e6, 1e7), 10, 10) is None
