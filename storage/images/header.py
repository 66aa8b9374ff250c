"""What only an image file's header says: colour profile, resolution, orientation. No pixel is decoded here.

GDAL does not expose a PNG's profile, nor a JPEG's or PNG's resolution, nor any orientation. Pillow's file classes are
used directly, since ``Image.open`` refuses large images for their size alone.
"""

from __future__ import annotations

import base64
import struct
from dataclasses import dataclass
from typing import Any

from PIL.Image import Exif
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile

from .place import find_place

_ORIENTATION = 274
_BIGTIFF = 43
_CM_PER_INCH = 2.54
_BY_PILLOW = {"PNG": PngImageFile, "JPEG": JpegImageFile}


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """The header facts of one file, absent ones None."""

    icc: bytes | None = None
    dpi: tuple[float, float] | None = None
    """dots an inch along x and y"""
    orientation: int = 1
    """as EXIF counts: 1 upright, 2 to 8 turned or mirrored"""
    interlaced: bool = False


def read_header(path: str, raster: Any) -> Header:
    """The header of the file ``path``, which rasterio has open as ``raster``."""
    if raster.driver in _BY_PILLOW:
        with find_place(str(path)).open() as file, _BY_PILLOW[raster.driver](file) as image:
            return _from_pillow(image.info)
    profile = raster.tags(ns="COLOR_PROFILE").get("SOURCE_ICC_PROFILE")
    return Header(
        icc=base64.b64decode(profile) if profile else None,
        dpi=_tiff_dpi(raster.tags()),
        orientation=_tiff_orientation(path) if raster.driver == "GTiff" else 1,
    )


def _from_pillow(info: dict[Any, Any]) -> Header:
    exif = Exif()
    exif.load(info.get("exif", b""))
    dpi = info.get("dpi")
    return Header(
        icc=info.get("icc_profile"),
        dpi=(float(dpi[0]), float(dpi[1])) if dpi else None,
        orientation=_valid(exif.get(_ORIENTATION, 1)),
        interlaced=bool(info.get("interlace")),
    )


def _tiff_dpi(tags: dict[str, str]) -> tuple[float, float] | None:
    unit = tags.get("TIFFTAG_RESOLUTIONUNIT", "2")[:1]
    if unit not in "23" or "TIFFTAG_XRESOLUTION" not in tags:
        return None
    per_inch = 1.0 if unit == "2" else _CM_PER_INCH
    x = float(tags["TIFFTAG_XRESOLUTION"])
    return x * per_inch, float(tags.get("TIFFTAG_YRESOLUTION", x)) * per_inch


def _tiff_orientation(path: str) -> int:
    """The orientation in the first directory of a TIFF or BigTIFF of either byte order."""
    with find_place(str(path)).open() as file:
        head = file.read(16)
        order = "<" if head[:2] == b"II" else ">"
        is_big = _BIGTIFF in head[2:4]
        start_at, start, count, entry, value_at = (8, "Q", "Q", 20, 12) if is_big else (4, "I", "H", 12, 8)
        file.seek(struct.unpack_from(order + start, head, start_at)[0])
        (num_entries,) = struct.unpack(order + count, file.read(struct.calcsize(order + count)))
        entries = file.read(num_entries * entry)
    for at in range(0, len(entries), entry):
        if struct.unpack_from(f"{order}H", entries, at)[0] == _ORIENTATION:
            return _valid(struct.unpack_from(f"{order}H", entries, at + value_at)[0])
    return 1


def _valid(orientation: object) -> int:
    return orientation if isinstance(orientation, int) and 1 <= orientation <= 8 else 1
