"""What a raster says of itself, as the facts of an image."""

from __future__ import annotations

import logging
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from storage.errors import ImageError

from .declared import declared_nodata
from .georeference import read_georeference
from .header import Header, read_header
from .info import ImageInfo
from .layout import Choice, Layout, read_layout
from .metadata import read_metadata
from .orientation import Orientation
from .palette import num_classes
from .place import Place

log = logging.getLogger(__name__)

_MAX_INTERLACED_BYTES = 1 << 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Traits:
    """What else of a file decides how it is shown."""

    num_bands: int
    """in the file"""
    num_classes: int
    """colours of a palette that stand for something; 0 for a picture's"""
    factor: int
    """what its own values are multiplied by in the pixels"""


def describe(place: Place, raster: Any, choice: Choice) -> tuple[Layout, Orientation, ImageInfo, Traits]:
    """Of the open rasterio dataset at ``place``. Raises ImageError, one line."""
    layout = read_layout(place.path, raster, choice)
    header = _header(place, raster)
    orientation = Orientation(header.orientation, raster.height, raster.width)
    geo = read_georeference(raster)
    if header.orientation != 1 and not geo.is_empty:
        raise ImageError(
            f"{place.path} has both a georeference and an orientation tag; remove one: they contradict each other"
        )
    height, width = orientation.upright_shape
    info = ImageInfo(
        path=place.dataset,
        driver=raster.driver,
        height=height,
        width=width,
        num_bands=layout.num_bands,
        dtype=raster.dtypes[0],
        has_alpha=layout.alpha != "none",
        geo=geo,
        nodata=next((value for value in nodata_values(raster, layout) if value is not None), None),
        descriptions=_descriptions(raster, layout),
        icc=header.icc,
        dpi=header.dpi,
        shown=layout.shown,
        holes=_holes(raster, layout),
        notes=(*layout.notes, *_nodata_notes(raster, layout)),
        metadata=read_metadata(raster, layout.bands, place),
    )
    return layout, orientation, info, _traits(raster, layout, info)


def _traits(raster: Any, layout: Layout, info: ImageInfo) -> Traits:
    """A palette's colours stand for classes on maps, and for themselves in pictures."""
    is_thematic = any(raster.tags(1).get(name, "").lower() == "thematic" for name in ("LAYER_TYPE", "layer_type"))
    is_map = layout.palette is not None and layout.num_bands > 1 and (is_thematic or not info.geo.is_empty)
    return Traits(num_bands=raster.count, num_classes=num_classes(raster) if is_map else 0, factor=layout.factor)


def _header(place: Place, raster: Any) -> Header:
    try:
        header = read_header(place, raster)
    except (OSError, SyntaxError, ValueError, KeyError, TypeError, struct.error) as error:
        log.warning(
            "%s: its header's colour profile, resolution and orientation cannot be read (%s): they are left out",
            place.path,
            " ".join(str(error).split()),
        )
        header = Header()
    if header.interlaced and raster.height * raster.width * raster.count > _MAX_INTERLACED_BYTES:
        raise ImageError(
            f"{place.path} is interlaced, so it can only be decoded whole: save it again without interlacing"
        )
    return header


def nodata_values(raster: Any, layout: Layout) -> tuple[float | None, ...]:
    """What stands for no data in each carried band; None where nothing does, or what the format cannot hold."""
    if layout.palette is not None:
        return (None,) * layout.num_bands
    return tuple(_usable(raster.nodatavals[band - 1], raster.dtypes[0]) for band in layout.bands)


def _usable(value: float | None, dtype: str) -> float | None:
    kind = np.dtype(dtype)
    if value is None or kind.kind == "f":
        return None if value is None else float(value)
    limits = np.iinfo(kind)
    return float(value) if value == value and limits.min <= value <= limits.max and value == int(value) else None


def _nodata_notes(raster: Any, layout: Layout) -> tuple[str, ...]:
    """That a result holds one value of several; or none, of one that no pixel can have."""
    if layout.palette is not None:
        return ()
    values, dtype = nodata_values(raster, layout), raster.dtypes[0]
    notes = [f"its nodata value {text} is none that {dtype} can have: it is left out" for text in _vain(raster, layout)]
    several = several_values(values)
    return (*notes, *([f"its bands name different nodata values ({several}): {ONE_IN_ALL}"] if several else ()))


def _vain(raster: Any, layout: Layout) -> list[str]:
    """The values, in words, that bands name and no pixel of theirs can have."""
    usable = dict(zip(layout.bands, nodata_values(raster, layout), strict=True))
    if np.dtype(raster.dtypes[0]).kind == "f" or None not in usable.values():
        return []
    declared = declared_nodata(raster)
    found = {declared[band - 1] for band, value in usable.items() if value is None}
    return sorted(text for text in found if text is not None)


ONE_IN_ALL = "each is a hole in its band, and the result has the first in all of them"


def several_values(values: Sequence[float | None]) -> str | None:
    """The different values in words; None where they are one.

    >>> several_values([0.0, None, 0.0]), several_values([None, None]), several_values([float("nan")] * 2)
    ('0, none', None, None)
    """
    found = dict.fromkeys("none" if value is None else f"{value:g}" for value in values)
    return ", ".join(found) if len(found) > 1 else None


def _holes(raster: Any, layout: Layout) -> str:
    """See ImageInfo.holes."""
    has_value = any(value is not None for value in nodata_values(raster, layout))
    if layout.palette is None and (np.dtype(raster.dtypes[0]).kind == "f" or has_value):
        return "bands"
    return "none" if layout.alpha == "none" else "pixels"


def _descriptions(raster: Any, layout: Layout) -> tuple[str | None, ...]:
    if layout.palette is not None:
        return (None,) * layout.num_bands
    return tuple(raster.descriptions[band - 1] for band in layout.bands)
