"""Where an image lies on the ground, and what becomes of that when the image is enlarged.

Pixel corners are whole numbers: the first pixel covers [0, 1) x [0, 1). So enlarging S times maps a point p of the
input to p * S of the output, and the origin stays where it is. RPCs alone count pixel centres from zero; see scaled().
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from rasterio.control import GroundControlPoint
from rasterio.crs import CRS
from rasterio.rpc import RPC
from rasterio.transform import Affine

from storage.errors import ImageError


@dataclass(frozen=True, slots=True, kw_only=True)
class GroundPoint:
    """A pixel position, corner-based, and the point on the ground that it shows."""

    row: float
    col: float
    x: float
    y: float
    z: float
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GeoReference:
    """Coordinate system, affine transform, ground control points and RPCs of one image; each may be absent."""

    crs_wkt: str | None = None
    transform: tuple[float, float, float, float, float, float] | None = None
    """x = t[0] * col + t[1] * row + t[2], y = t[3] * col + t[4] * row + t[5]"""
    gcps: tuple[GroundPoint, ...] = ()
    gcps_crs_wkt: str | None = None
    rpcs: Mapping[str, str] = field(default_factory=dict)
    """by GDAL's names, such as LINE_OFF"""

    @property
    def is_empty(self) -> bool:
        return not (self.crs_wkt or self.transform or self.gcps or self.rpcs)

    def scaled(self, scale: float) -> GeoReference:
        """The reference of the same scene, ``scale`` times as many pixels a side.

        >>> GeoReference(transform=(10.0, 0.0, 500.0, 0.0, -10.0, 900.0)).scaled(4).transform
        (2.5, 0.0, 500.0, 0.0, -2.5, 900.0)
        """
        transform = self.transform
        if transform is not None:
            a, b, c, d, e, f = transform
            transform = (a / scale, b / scale, c, d / scale, e / scale, f)
        gcps = tuple(replace(point, row=point.row * scale, col=point.col * scale) for point in self.gcps)
        return replace(self, transform=transform, gcps=gcps, rpcs=_scaled_rpcs(self.rpcs, scale))


def _scaled_rpcs(rpcs: Mapping[str, str], scale: float) -> dict[str, str]:
    """Offsets count from the centre of the first pixel, whose place moves by half a pixel of each scale.

    >>> _scaled_rpcs({"LINE_OFF": "79.5", "LINE_SCALE": "80", "LAT_OFF": "46"}, 4)
    {'LINE_OFF': '319.5', 'LINE_SCALE': '320.0', 'LAT_OFF': '46'}
    """
    scaled = dict(rpcs)
    for name in ("LINE_OFF", "SAMP_OFF"):
        if name in scaled:
            scaled[name] = repr((_number(name, scaled[name]) + 0.5) * scale - 0.5)
    for name in ("LINE_SCALE", "SAMP_SCALE"):
        if name in scaled:
            scaled[name] = repr(_number(name, scaled[name]) * scale)
    return scaled


def _number(name: str, text: str) -> float:
    """An RPC's value, behind which some files name its unit.

    >>> _number("LINE_OFF", "+002199.50 pixels")
    2199.5
    """
    try:
        return float(text.split(maxsplit=1)[0])
    except (ValueError, IndexError):
        raise ImageError(
            f"the image's RPC {name} is {text!r}; expected a number: mend it, or remove the image's RPCs"
        ) from None


def check_georeference(geo: GeoReference, scale: int) -> None:
    """Raise ImageError where the reference of the image enlarged ``scale`` times could not be written."""
    rpcs = geo.scaled(scale).rpcs
    if not rpcs:
        return
    try:
        RPC.from_gdal(dict(rpcs))
    except (KeyError, ValueError, IndexError) as error:
        raise ImageError(
            f"the image's RPCs cannot be carried over: {type(error).__name__} {error}; expected numbers, and all of "
            "those that GDAL knows: mend them, or remove them from the image"
        ) from error


def read_georeference(raster: Any) -> GeoReference:
    """The georeference of an open rasterio dataset."""
    points, points_crs = raster.gcps
    return GeoReference(
        crs_wkt=raster.crs.to_wkt() if raster.crs else None,
        transform=None if raster.transform.is_identity else tuple(raster.transform)[:6],
        gcps=tuple(
            GroundPoint(row=p.row, col=p.col, x=p.x, y=p.y, z=p.z or 0.0, name=p.id or str(number))
            for number, p in enumerate(points)
        ),
        gcps_crs_wkt=points_crs.to_wkt() if points_crs else None,
        rpcs=raster.tags(ns="RPC"),
    )


def write_georeference(raster: Any, geo: GeoReference) -> None:
    """Give an open, writable rasterio dataset the georeference ``geo``."""
    if geo.crs_wkt and not geo.gcps:
        raster.crs = CRS.from_wkt(geo.crs_wkt)
    if geo.transform and not geo.gcps:
        raster.transform = Affine(*geo.transform)
    if geo.gcps:
        points = [GroundControlPoint(row=p.row, col=p.col, x=p.x, y=p.y, z=p.z, id=p.name) for p in geo.gcps]
        wkt = geo.gcps_crs_wkt or geo.crs_wkt
        raster.gcps = (points, CRS.from_wkt(wkt) if wkt else CRS())
    if geo.rpcs:
        raster.rpcs = RPC.from_gdal(dict(geo.rpcs))
