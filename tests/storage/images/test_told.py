"""What attributes say: by the conventions, by CF, by OME, by gigatile."""

from __future__ import annotations

import base64
import struct
from typing import Any

import numpy as np
import pytest
from rasterio.crs import CRS

from storage.errors import ImageError
from storage.images.georeference import GeoReference
from storage.images.hierarchy import Node
from storage.images.told import Level, Told, place_of_variable, read_told

UTM = CRS.from_epsg(32614).to_wkt()
TRANSFORM = (10.0, 0.0, 5e5, 0.0, -10.0, 4e6)


def array(document: dict[str, Any] | None = None, version: int = 3, **attributes: Any) -> Node:
    return Node(path="0", is_array=True, format=version, document=document or {}, attributes=attributes)


def told(level: Level, num_bands: int = 1) -> Told:
    return read_told(level, num_bands, (20, 30), "a.zarr")


@pytest.mark.parametrize(
    "crs", [{"proj:code": "EPSG:32614"}, {"proj:wkt2": UTM}, {"_CRS": {"wkt": UTM, "url": "http://www.opengis.net"}}]
)
@pytest.mark.parametrize(
    ("registration", "corner"), [({}, (5e5, 4e6)), ({"spatial:registration": "node"}, (5e5 - 5, 4e6 + 5))]
)
def test_the_conventions(crs: dict[str, Any], registration: dict[str, str], corner: tuple[float, float]) -> None:
    found = told(Level(array=array(**crs, **registration, **{"spatial:transform": list(TRANSFORM)}))).geo
    assert found.crs_wkt == UTM
    assert found.transform == (10.0, 0.0, corner[0], 0.0, -10.0, corner[1])


def test_of_a_group_for_each_of_its_levels() -> None:
    layout = [{"asset": "0"}, {"asset": "1", "spatial:transform": [20, 0, 5e5, 0, -20, 4e6]}, {"asset": "2"}]
    attributes: dict[str, Any] = {"spatial:transform": list(TRANSFORM), "multiscales": {"layout": layout}}
    attributes["ome"] = {"multiscales": [{"datasets": [{"path": str(number)} for number in range(3)]}]}
    group = Node(path="", is_array=False, format=3, document={}, attributes=attributes)
    found = [told(Level(array=array(), group=group, number=number)).geo.transform for number in range(3)]
    assert found == [TRANSFORM, (20.0, 0.0, 5e5, 0.0, -20.0, 4e6), None]


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({"nodata": -1}, -1.0),
        ({"_FillValue": 3}, 3.0),
        ({"_FillValue": base64.b64encode(struct.pack("<d", -9999.0)).decode()}, -9999.0),
        ({"missing_value": [7]}, 7.0),
        ({}, None),
    ],
)
def test_nodata_is_what_is_declared(attributes: dict[str, Any], expected: float | None) -> None:
    assert told(Level(array=array({"fill_value": 5}, **attributes))).nodata == expected


@pytest.mark.parametrize(("fill", "expected"), [(0, None), (-9999, -9999.0), (None, None)])
def test_the_fill_of_xarray(fill: int | None, expected: float | None) -> None:
    found = told(Level(array=array({"fill_value": fill}, version=2, _ARRAY_DIMENSIONS=["y", "x"])))
    assert (found.nodata, bool(found.notes)) == (expected, expected is not None)
    assert told(Level(array=array({"fill_value": fill}, version=2))).nodata is None


def test_measures() -> None:
    band = told(Level(array=array(scale_factor=0.1, add_offset=2, units="K")), num_bands=2).bands[1]
    assert (band.scale, band.offset, band.unit) == (0.1, 2.0, "K")


@pytest.mark.parametrize(
    ("colours", "expected"),
    [
        (["FF0000", "00ff00", "0000FF", "FFFFFF"], ["red", "green", "blue", "undefined"]),
        (["FF0000", "FF0000", "0000FF", "FFFFFF"], ["undefined"] * 4),
    ],
)
def test_colours_of_channels(colours: list[str], expected: list[str]) -> None:
    channels = [{"color": colour} for colour in colours]
    ome = {"omero": {"channels": channels}, "multiscales": [{"axes": ["c", "y", "x"], "datasets": [{"path": "0"}]}]}
    group = Node(path="", is_array=False, format=2, document={}, attributes=ome)
    assert [band.colour for band in told(Level(array=array(), group=group), 4).bands] == expected


@pytest.mark.parametrize(
    "attributes",
    [
        {"spatial:transform": [1, 2, 3]},
        {"spatial:transform": [0, 0, 0, 0, 0, 0]},
        {"spatial:transform": "east"},
        {"proj:wkt2": "a country road"},
        {"scale_factor": "much"},
        {"_FillValue": "none"},
    ],
)
def test_what_cannot_be_understood(attributes: dict[str, Any]) -> None:
    with pytest.raises(ImageError, match=r"^a\.zarr: its attributes cannot be understood") as raised:
        told(Level(array=array(**attributes)))
    assert "\n" not in str(raised.value)


def test_coordinates_that_are_not_regular() -> None:
    geo, notes = place_of_variable({"crs_wkt": UTM}, lambda: np.array([1.0, 2, 4]), lambda: np.arange(3.0))
    assert geo == GeoReference(crs_wkt=UTM)
    assert "not at regular steps" in notes[0]
