"""A STAC item beside a result that lies on the ground: catalogues of imagery take it in as it is.

SpatioTemporal Asset Catalog 1.0.0 with its extensions projection 1.1.0, raster 1.1.0 and processing 1.1.0.
"""

from __future__ import annotations

import json
import logging
import math
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from rasterio.crs import CRS

from .footprint import Footprint, find_footprint
from .gdal import gdal
from .georeference import GeoReference
from .metadata import BandMetadata, Metadata
from .picture import Picture
from .target import STAC

log = logging.getLogger(__name__)

_SCHEMAS = "https://stac-extensions.github.io"
_PROJECTION, _RASTER, _PROCESSING = (
    f"{_SCHEMAS}/{name}/v1.1.0/schema.json" for name in ("projection", "raster", "processing")
)
_TYPES = {
    "COG": "image/tiff; application=geotiff; profile=cloud-optimized",
    "GTiff": "image/tiff; application=geotiff",
    "PNG": "image/png",
    "JPEG": "image/jpeg",
    "WEBP": "image/webp",
    "OME-Zarr": "application/vnd.zarr; version=3",
}
_DATES = ("ACQUISITIONDATETIME", "DATETIME", "ACQUISITION_DATE", "SENSING_TIME", "PRODUCT_START_TIME", "DATE_ACQUIRED")
_DATES_OF_FILES = ("NITF_IDATIM", "EXIF_DateTimeOriginal", "TIFFTAG_DATETIME")
_DATE = re.compile(r"(\d{4})[-:/]?(\d\d)[-:/]?(\d\d)(?:[T ]?(\d\d):?(\d\d):?(\d\d))?")
_ALWAYS = {"datetime": None, "start_datetime": "0001-01-01T00:00:00Z", "end_datetime": "9999-12-31T23:59:59Z"}
"""of an image that does not say when it was taken: an item must say something"""
_METRES_A_DEGREE = 111_319.49
_UNNUMBERED = {"nan": "nan", "inf": "inf", "-inf": "-inf"}


def write_item(staging: Path, target: Path, picture: Picture, *, is_sent: bool = False) -> None:
    """Write the item of the finished picture ``staging``, which will be ``target``, beside it.

    ``is_sent``: to another place than the input's machine, so that its address is written in full.

    Nothing for one without coordinate system and transform: points and RPCs alone do not say where its edges lie.
    """
    geo = picture.info.geo.scaled(picture.scale)
    if geo.crs_wkt is None or geo.transform is None or picture.wanted.driver not in _TYPES:
        return
    footprint = find_footprint(geo.crs_wkt, geo.transform, picture.height, picture.width)
    if footprint is None:
        log.warning("%s gets no STAC item: a part of its edge lies nowhere on the earth", target)
        return
    found = item(target, picture, geo, footprint, is_sent=is_sent)
    text = json.dumps(found, indent=2, ensure_ascii=False, allow_nan=False)
    staging.with_name(f"{staging.name}{STAC}").write_text(f"{text}\n", encoding="utf-8")


def item(
    target: Path, picture: Picture, geo: GeoReference, footprint: Footprint, *, is_sent: bool = False
) -> dict[str, Any]:
    """The item of ``target``; ``geo`` is the result's, with coordinate system and transform."""
    provenance = picture.provenance
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "stac_extensions": [_PROJECTION, _RASTER, *([_PROCESSING] if provenance else [])],
        "id": target.stem,
        "geometry": footprint.geometry,
        "bbox": footprint.bbox,
        "properties": {
            **when(picture.info.metadata),
            **_place(picture, geo, footprint),
            **({} if provenance is None else _processing(picture)),
        },
        "links": _links(target, picture, is_sent=is_sent),
        "assets": {
            "image": {
                "href": f"./{quote(target.name)}",
                "type": _TYPES[picture.wanted.driver],
                "roles": ["data"],
                "raster:bands": _bands(picture, geo),
            }
        },
    }


def when(metadata: Metadata) -> dict[str, str | None]:
    """When the image was taken, as its tags say it, in UTC where they name no other.

    >>> when(Metadata(tags={"ACQUISITION_DATE": "2020-01-31"}))
    {'datetime': '2020-01-31T00:00:00Z'}
    """
    known: dict[str, str] = {}
    for tags in (metadata.tags, *metadata.namespaces.values()):
        known |= {name.upper(): value for name, value in tags.items()}
    for name in (*_DATES, *(name.upper() for name in _DATES_OF_FILES)):
        match = _DATE.match(known.get(name, "").strip())
        if match and 1 <= int(match[2]) <= 12 and 1 <= int(match[3]) <= 31:
            year, month, day, hour, minute, second = (int(part or 0) for part in match.groups())
            return {"datetime": f"{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z"}
    return dict(_ALWAYS)


def _place(picture: Picture, geo: GeoReference, footprint: Footprint) -> dict[str, Any]:
    assert geo.crs_wkt is not None
    assert geo.transform is not None
    a, b, c, d, e, f = geo.transform
    corners = [(0, 0), (picture.width, 0), (0, picture.height), (picture.width, picture.height)]
    xs = [a * col + b * row + c for col, row in corners]
    ys = [d * col + e * row + f for col, row in corners]
    with gdal():
        crs = CRS.from_wkt(geo.crs_wkt)
        epsg, wkt2 = crs.to_epsg(), crs.to_wkt(version="WKT2_2019")
    return {
        "proj:epsg": epsg,
        "proj:wkt2": wkt2,
        "proj:transform": [a, b, c, d, e, f],
        "proj:shape": [picture.height, picture.width],
        "proj:bbox": [min(xs), min(ys), max(xs), max(ys)],
        "gsd": _pixel_metres(geo, footprint),
    }


def _pixel_metres(geo: GeoReference, footprint: Footprint) -> float:
    """The side of a pixel, in metres: in degrees that of one as large at the image's middle."""
    assert geo.crs_wkt is not None
    assert geo.transform is not None
    a, b, _, d, e, _ = geo.transform
    area = abs(a * e - b * d)
    with gdal():
        crs = CRS.from_wkt(geo.crs_wkt)
        if crs.is_geographic:
            _, south, _, north = footprint.bbox
            return math.sqrt(area * math.cos(math.radians((south + north) / 2))) * _METRES_A_DEGREE
        return math.sqrt(area) * float(crs.linear_units_factor[1])


def _bands(picture: Picture, geo: GeoReference) -> list[dict[str, Any]]:
    bands = picture.bands or (BandMetadata(),) * picture.num_colours
    names = (*picture.descriptions, *[None] * (len(bands) - len(picture.descriptions)))
    plain: dict[str, Any] = {
        "data_type": picture.dtype,
        "sampling": picture.info.metadata.tags.get("AREA_OR_POINT", "Area").lower(),
    }
    if geo.transform is not None:
        plain["spatial_resolution"] = math.hypot(geo.transform[0], geo.transform[3])
    if picture.nodata is not None:
        plain["nodata"] = _UNNUMBERED.get(str(picture.nodata), picture.nodata)
    found = []
    for band, name in zip(bands, names, strict=True):
        said = {"scale": band.scale, "offset": band.offset, "unit": band.unit, "name": name}
        found.append({**plain, **{key: value for key, value in said.items() if value is not None}})
    if picture.alpha is not None:
        found.append({"data_type": picture.dtype, "name": "alpha"})
    return found


def _processing(picture: Picture) -> dict[str, Any]:
    made = picture.provenance
    assert made is not None
    name, _, version = made.software.partition(" ")
    facts: Mapping[str, str] = made.facts
    lineage = "enlarged {Scale} times by a diffusion model; recipe {Recipe}, plan {Plan}, seed {Seed}, model {Model}"
    return {
        "processing:software": {name: version},
        "processing:lineage": lineage.format(**facts),
        **{f"gigatile:{key}": value for key, value in facts.items()},
    }


def _links(target: Path, picture: Picture, *, is_sent: bool) -> list[dict[str, str]]:
    source = picture.info.file.partition("?")[0]
    if not source:
        return []
    if "://" in source:
        href = source
    elif is_sent:
        href = Path(source).absolute().as_uri()
    else:
        href = quote(Path(os.path.relpath(source, target.parent)).as_posix())
    return [{"rel": "derived_from", "href": href, "title": "the image that was enlarged"}]
