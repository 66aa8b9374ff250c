"""What the attributes of a Zarr say of its picture: gigatile's own table (see telling.py), OME's, those of the spatial
and proj conventions (see ome.py), and those of CF that xarray writes.
"""

from __future__ import annotations

import base64
import math
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from rasterio.crs import CRS
from rasterio.errors import CRSError

from storage.errors import ImageError

from .embedded import Embedded
from .gdal import gdal
from .georeference import GeoReference, GroundPoint
from .hierarchy import Node
from .metadata import BandMetadata
from .picture import ALPHA

_COLOURS = {"FF0000": "red", "00FF00": "green", "0000FF": "blue"}
_AN_INCH = {"micrometer": 25400.0, "millimeter": 25.4, "nanometer": 25.4e6, "centimeter": 2.54}
_NODATA = ("nodata", "_FillValue", "missing_value")
_PIECES = ("crs_wkt", "transform", "gcps", "gcps_crs_wkt", "rpcs")


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """Of all bands of one array; what is not said is empty."""

    names: tuple[str | None, ...] = ()
    bands: tuple[BandMetadata, ...] = ()
    alpha: int = 0
    """the band that is opacity, from 1; 0 for none"""
    nodata: float | None = None
    geo: GeoReference = field(default_factory=GeoReference)
    dpi: tuple[float, float] | None = None
    icc: bytes | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    namespaces: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    embedded: Embedded = field(default_factory=Embedded)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """An array, and the group whose picture it is a level of; None where it stands for itself."""

    array: Node
    group: Node | None = None
    number: int = 0

    @property
    def multiscale(self) -> Mapping[str, Any]:
        found = self.group.ome.get("multiscales") if self.group is not None else None
        return found[0] if isinstance(found, list) and found and isinstance(found[0], dict) else {}


def read_told(level: Level, num_bands: int, shape: tuple[int, int], where: str) -> Told:
    """``shape``: height and width of the array. Raises ImageError, one line, for what contradicts itself."""
    with _understood(where):
        found = _of_array(level, num_bands, shape)
        table = level.group.attributes.get("gigatile") if level.group is not None else None
        if isinstance(table, dict) and len(table.get("bands", ())) == num_bands:
            return _of_table(found, table, level.number, shape)
        return _of_ome(found, level, num_bands)


def read_table(table: Mapping[str, Any], shape: tuple[int, int], where: str) -> Told:
    """What gigatile's own table beside tiles says of a picture of ``shape``, height and width. Raises as read_told."""
    with _understood(where):
        return _of_table(Told(), table, 0, shape)


@contextmanager
def _understood(where: str) -> Iterator[None]:
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, CRSError, struct.error) as error:
        if isinstance(error, ImageError):
            raise
        raise ImageError(
            f"{where}: its attributes cannot be understood ({type(error).__name__}: {' '.join(str(error).split())}): "
            "mend them, or remove them"
        ) from error


def _of_array(level: Level, num_bands: int, shape: tuple[int, int]) -> Told:
    """What holds for the array alone, by CF and the conventions."""
    attributes = level.array.attributes
    nodata = next((_number(attributes[name]) for name in _NODATA if attributes.get(name) is not None), None)
    notes: tuple[str, ...] = ()
    if nodata is None and (filled := _fill_of_xarray(level.array)) is not None:
        nodata, notes = filled, (f"its fill value {filled:g} stands for no data, as xarray writes it",)
    band = BandMetadata(
        scale=float(attributes.get("scale_factor", 1.0)),
        offset=float(attributes.get("add_offset", 0.0)),
        unit=str(attributes["units"]) if attributes.get("units") else None,
    )
    name = attributes.get("long_name")
    names = tuple(name) if isinstance(name, list) and len(name) == num_bands else (None,) * num_bands
    geo = _place(attributes)
    if geo.is_empty and level.group is not None:
        geo = _place(level.group.attributes) if level.number == 0 else _place_of_level(level)
    return Told(names=names, bands=(band,) * num_bands, nodata=nodata, geo=geo, notes=notes)


def _fill_of_xarray(array: Node) -> float | None:
    """In version 2 xarray says by it what is no data; 0 is what everybody else has there."""
    value = array.document.get("fill_value")
    if array.format != 2 or "_ARRAY_DIMENSIONS" not in array.attributes or value in (None, 0, 0.0, False):
        return None
    return _number(value)


def _of_ome(told: Told, level: Level, num_bands: int) -> Told:
    group = level.group
    if group is None:
        return told
    omero = group.ome.get("omero")
    channels = omero.get("channels", []) if isinstance(omero, dict) else []
    if len(channels) == num_bands:
        colours = [_COLOURS.get(str(one.get("color", "")).upper(), "undefined") for one in channels]
        if sorted(set(colours) - {"undefined"}) != ["blue", "green", "red"] or len(set(colours)) < min(num_bands, 3):
            colours = ["undefined"] * num_bands
        bands = tuple(replace(band, colour=colour) for band, colour in zip(told.bands, colours, strict=True))
        names = tuple(str(one["label"]) if one.get("label") else None for one in channels)
        told = replace(told, bands=bands, names=names)
    return replace(told, dpi=_density(level)) if told.geo.is_empty else told


def _density(level: Level) -> tuple[float, float] | None:
    """Pixels an inch along x and y of what is measured in parts of a metre."""
    axes = level.multiscale.get("axes") or []
    dataset = level.multiscale["datasets"][level.number]
    scale: list[float] = next(
        (one["scale"] for one in dataset.get("coordinateTransformations", ()) if one["type"] == "scale"), []
    )
    found = {}
    for axis, size in zip(axes, scale, strict=False):
        if isinstance(axis, dict) and axis.get("unit") in _AN_INCH and float(size) > 0:
            found[axis["name"]] = _AN_INCH[axis["unit"]] / float(size)
    return (found["x"], found["y"]) if {"x", "y"} <= set(found) else None


def _of_table(told: Told, table: Mapping[str, Any], number: int, shape: tuple[int, int]) -> Told:
    """gigatile's own words, that of the place where level ``number`` has the size that they are of."""
    bands, notes = table["bands"], told.notes
    is_same = number == 0 and (table.get("height"), table.get("width")) == shape
    geo = told.geo
    if is_same:
        geo = _place_of_table(table)
    elif any(table.get(name) for name in ("gcps", "rpcs")):
        notes = (*notes, "its ground control points and RPCs are those of another size: they are left out")
    dpi = table.get("dpi") if is_same else None
    xmp = table.get("xmp")
    return Told(
        names=tuple(band.get("name") for band in bands),
        bands=tuple(_band(band) for band in bands),
        alpha=len(bands) if bands[-1].get("colour") == ALPHA else 0,
        nodata=None if table.get("nodata") is None else _number(table["nodata"]),
        geo=geo,
        dpi=None if dpi is None else (float(dpi[0]), float(dpi[1])),
        icc=_bytes(table.get("icc_base64")),
        tags=_texts(table.get("tags", {})),
        namespaces={str(name): _texts(tags) for name, tags in table.get("namespaces", {}).items()},
        embedded=Embedded(exif=_bytes(table.get("exif_base64")), xmp=None if xmp is None else xmp.encode()),
        notes=notes,
    )


def _band(table: Mapping[str, Any]) -> BandMetadata:
    return BandMetadata(
        tags=_texts(table.get("tags", {})),
        namespaces={str(name): _texts(tags) for name, tags in table.get("namespaces", {}).items()},
        scale=float(table.get("scale", 1.0)),
        offset=float(table.get("offset", 0.0)),
        unit=table.get("unit"),
        colour=table.get("colour", "undefined"),
    )


def _place_of_table(table: Mapping[str, Any]) -> GeoReference:
    points = [
        GroundPoint(row=p["row"], col=p["column"], x=p["x"], y=p["y"], z=p["z"], name=p["name"])
        for p in table.get("gcps", ())
    ]
    return GeoReference(
        crs_wkt=_wkt(table["crs_wkt"]) and table["crs_wkt"] if table.get("crs_wkt") else None,
        transform=_six(table["transform"]) if table.get("transform") else None,
        gcps=tuple(points),
        gcps_crs_wkt=table.get("gcps_crs_wkt"),
        rpcs=_texts(table.get("rpcs", {})),
    )


def _place_of_level(level: Level) -> GeoReference:
    """Of a smaller level, which the convention of multiscales describes."""
    assert level.group is not None
    layout = level.group.attributes.get("multiscales")
    levels = layout.get("layout", []) if isinstance(layout, dict) else []
    if level.number >= len(levels) or "spatial:transform" not in levels[level.number]:
        return GeoReference()
    return _place({**level.group.attributes, "spatial:transform": levels[level.number]["spatial:transform"]})


def _place(attributes: Mapping[str, Any]) -> GeoReference:
    """By the conventions spatial and proj; the coordinate system also as GDAL writes it."""
    found = attributes.get("spatial:transform")
    transform = None if found is None else _six(found)
    if transform is not None and attributes.get("spatial:registration") == "node":
        a, b, c, d, e, f = transform
        transform = a, b, c - (a + b) / 2, d, e, f - (d + e) / 2
    by_gdal = attributes.get("_CRS")
    named = [attributes.get(f"proj:{name}") for name in ("wkt2", "code", "projjson")]
    named += [by_gdal.get(name) for name in ("wkt", "projjson")] if isinstance(by_gdal, dict) else []
    given = next((one for one in named if one), None)
    return GeoReference(crs_wkt=None if given is None else _wkt(given), transform=transform)


def place_of_variable(
    grid: Mapping[str, Any], y: Callable[[], np.ndarray | None], x: Callable[[], np.ndarray | None]
) -> tuple[GeoReference, tuple[str, ...]]:
    """Where a variable of xarray lies: by ``grid``, the attributes of its grid mapping, else by its coordinates.

    ``y`` and ``x`` give the places of pixel centres along an axis, None where there are none. Beside the place: what is
    to be said of it, a line each.
    """
    given = grid.get("crs_wkt") or grid.get("spatial_ref")
    wkt = None if not given else _wkt(given)
    if grid.get("GeoTransform"):
        c, a, b, f, d, e = (float(word) for word in str(grid["GeoTransform"]).split())
        return GeoReference(crs_wkt=wkt, transform=_six([a, b, c, d, e, f])), ()
    ys, xs = y(), x()
    if ys is None or xs is None:
        return GeoReference(crs_wkt=wkt), ()
    if len(ys) < 2 or len(xs) < 2 or not (_is_regular(ys) and _is_regular(xs)):
        return GeoReference(crs_wkt=wkt), ("its coordinates are not at regular steps: where it lies is left out",)
    high, wide = (float(one[-1] - one[0]) / (len(one) - 1) for one in (ys, xs))
    transform = wide, 0.0, float(xs[0]) - wide / 2, 0.0, high, float(ys[0]) - high / 2
    return GeoReference(crs_wkt=wkt, transform=_six(transform)), ()


def _is_regular(places: np.ndarray) -> bool:
    steps = np.diff(places.astype(np.float64))
    return bool(steps[0] != 0 and np.abs(steps - steps.mean()).max() <= 1e-3 * abs(steps.mean()))


def _wkt(given: Any) -> str:
    with gdal():
        crs = CRS.from_user_input(given)
        return str(crs.to_wkt())


def _six(values: Sequence[Any]) -> tuple[float, float, float, float, float, float]:
    a, b, c, d, e, f = (float(value) for value in values)
    if not all(math.isfinite(value) for value in (a, b, c, d, e, f)) or a * e == b * d:
        raise ValueError(f"the transform {list(values)} maps pixels to no ground")
    return a, b, c, d, e, f


def _number(value: Any) -> float:
    """A number, also as Zarr has those that JSON lacks, or as xarray has floats in version 3.

    >>> _number("NaN"), _number("AAAAAACI08A="), _number([-9999])
    (nan, -20000.0, -9999.0)
    """
    if isinstance(value, list):
        (value,) = value
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return float(struct.unpack("<d", base64.b64decode(value, validate=True))[0])
    return float(value)


def _bytes(text: str | None) -> bytes | None:
    return None if text is None else base64.b64decode(text)


def _texts(table: Mapping[str, Any]) -> dict[str, str]:
    return {str(name): str(text) for name, text in table.items()}
