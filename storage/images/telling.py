"""All that is known of a result as plain JSON, for formats that are folders: no tool's own words are needed to read it.

Of its own numbers, in pixels of the result. What is not known has no key.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from .exif import EXIF_PREFIX, exif_for
from .georeference import GeoReference
from .metadata import BandMetadata
from .picture import ALPHA, Picture

_UNNUMBERED = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}
"""numbers that JSON has none of, in the words of Zarr"""


def describe(picture: Picture) -> dict[str, Any]:
    """What ``picture`` hands on: bands, nodata, place, tags, colour profile, EXIF and XMP, and how it was made."""
    info, metadata, made = picture.info, picture.info.metadata, picture.provenance
    exif = exif_for(picture, software=picture.software)
    found = {
        "height": picture.height,
        "width": picture.width,
        "dtype": picture.dtype,
        "bands": describe_bands(picture),
        "nodata": number(picture.none_value),
        **_place(info.geo.scaled(picture.scale)),
        "dpi": picture.dpi,
        "tags": dict(metadata.tags),
        "namespaces": {name: dict(tags) for name, tags in metadata.namespaces.items()},
        "software": picture.software,
        "provenance": None if made is None else {**made.facts, "digitalSourceType": made.digital_source_type},
        "icc_base64": _text(picture.icc),
        "exif_base64": None if exif is None else _text(exif.removeprefix(EXIF_PREFIX)),
        "xmp": picture.xmp(),
    }
    return _known(found)


def describe_bands(picture: Picture) -> list[dict[str, Any]]:
    """A table a band, alpha as the last where there is one."""
    bands = picture.bands or (BandMetadata(),) * picture.num_colours
    names = (*picture.descriptions, *[None] * (picture.num_colours - len(picture.descriptions)))
    found = [
        _known(
            {
                "name": name,
                "colour": colour,
                "scale": None if band.is_plain else band.scale,
                "offset": None if band.is_plain else band.offset,
                "unit": band.unit,
                "tags": dict(band.tags),
                "namespaces": {key: dict(tags) for key, tags in band.namespaces.items()},
            }
        )
        for band, name, colour in zip(bands, names, picture.colours[: picture.num_colours], strict=True)
    ]
    return [*found, {"name": ALPHA, "colour": ALPHA}] if picture.alpha is not None else found


def number(value: float | None) -> float | str | None:
    """As JSON can hold it.

    >>> number(float("nan")), number(0.5)
    ('NaN', 0.5)
    """
    return None if value is None else _UNNUMBERED.get(str(float(value)), value)


def _place(geo: GeoReference) -> dict[str, Any]:
    points = [{"row": p.row, "column": p.col, "x": p.x, "y": p.y, "z": p.z, "name": p.name} for p in geo.gcps]
    return {
        "crs_wkt": geo.crs_wkt,
        "transform": None if geo.transform is None else list(geo.transform),
        "gcps": points,
        "gcps_crs_wkt": geo.gcps_crs_wkt,
        "rpcs": dict(geo.rpcs),
    }


def _text(data: bytes | None) -> str | None:
    return None if data is None else base64.b64encode(data).decode()


def _known(table: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in table.items() if value not in (None, "", {}, [], ())}
