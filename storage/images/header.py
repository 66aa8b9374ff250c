"""What only an image file's header says: colour profile, resolution, orientation. No pixel is decoded here.

GDAL does not expose a PNG's profile, nor a JPEG's or PNG's resolution, nor any orientation. Pillow's file classes are
used directly, since ``Image.open`` refuses large images for their size alone.
"""

from __future__ import annotations

import base64
import logging
import struct
import warnings
from dataclasses import dataclass
from typing import Any, BinaryIO

from PIL.Image import Exif, Image
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile

from .directories import ORIENTATION, directories
from .pages import directory_of
from .place import Place
from .riff import read_webp

log = logging.getLogger(__name__)

_CM_PER_INCH = 2.54
_BY_PILLOW = {"PNG": PngImageFile, "JPEG": JpegImageFile}
_MOST_EXIF_BYTES = 64 << 20
_UNREADABLE = (SyntaxError, ValueError, KeyError, TypeError, OSError, EOFError, struct.error)


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """The header facts of one file, absent ones None."""

    icc: bytes | None = None
    dpi: tuple[float, float] | None = None
    """dots an inch along x and y"""
    orientation: int = 1
    """as EXIF counts: 1 upright, 2 to 8 turned or mirrored"""
    interlaced: bool = False


def read_header(place: Place, raster: Any) -> Header:
    """The header of the file at ``place``, which rasterio has open as ``raster``."""
    if raster.driver in _BY_PILLOW:
        # Pillow warns, on the terminal, of metadata that it cannot make sense of; what it reads stands
        with place.open() as file, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with _BY_PILLOW[raster.driver](file) as image:
                late = _late_exif(file) if raster.driver == "PNG" else b""
                return _from_pillow(image, late, place.path)
    if raster.driver == "WEBP":
        with place.open() as file:
            webp = read_webp(file)
        return Header(icc=webp.icc, orientation=exif_orientation(webp.exif))
    profile = raster.tags(ns="COLOR_PROFILE").get("SOURCE_ICC_PROFILE")
    return Header(
        icc=base64.b64decode(profile) if profile else None,
        dpi=_tiff_dpi(raster.tags()),
        orientation=_tiff_orientation(place) if raster.driver == "GTiff" else 1,
    )


def exif_orientation(exif: bytes) -> int:
    """What the EXIF of a file says, 1 where it says nothing that can be.

    >>> one_tag = bytes.fromhex("4d4d002a 00000008 0001 0112 0003 00000001 00060000 00000000")
    >>> exif_orientation(b""), exif_orientation(one_tag)
    (1, 6)
    """
    found = Exif()
    try:
        found.load(exif)
        return _valid(found.get(ORIENTATION, 1))
    except _UNREADABLE:
        return 1


def _from_pillow(image: Image, late_exif: bytes, where: str) -> Header:
    info = image.info
    dpi = info.get("dpi")
    return Header(
        icc=info.get("icc_profile"),
        dpi=(float(dpi[0]), float(dpi[1])) if dpi else None,
        orientation=exif_orientation(late_exif) if late_exif else _pillow_orientation(image, where),
        interlaced=bool(info.get("interlace")),
    )


def _pillow_orientation(image: Image, where: str) -> int:
    """What EXIF, XMP or a PNG's raw profile say."""
    try:
        # Image's own: a PNG's would decode all pixels to see what stands behind them
        return _valid(Image.getexif(image).get(ORIENTATION, 1))
    except _UNREADABLE as error:
        log.warning("%s: its EXIF cannot be read (%s): it is taken as upright", where, " ".join(str(error).split()))
        return 1


def _late_exif(file: BinaryIO) -> bytes:
    """The EXIF chunk of a PNG that stands behind its pixels, which are passed over."""
    at, behind = 8, False
    while True:
        file.seek(at)
        head = file.read(8)
        if len(head) < 8:
            return b""
        size, kind = struct.unpack(">I4s", head)
        behind = behind or kind == b"IDAT"
        if kind == b"eXIf" and behind and size <= _MOST_EXIF_BYTES:
            return file.read(size)
        at += 12 + size


def _tiff_dpi(tags: dict[str, str]) -> tuple[float, float] | None:
    unit = tags.get("TIFFTAG_RESOLUTIONUNIT", "2")[:1]
    if unit not in "23" or "TIFFTAG_XRESOLUTION" not in tags:
        return None
    per_inch = 1.0 if unit == "2" else _CM_PER_INCH
    x = float(tags["TIFFTAG_XRESOLUTION"])
    return x * per_inch, float(tags.get("TIFFTAG_YRESOLUTION", x)) * per_inch


def _tiff_orientation(place: Place) -> int:
    """The orientation in the directory of a TIFF or BigTIFF that ``place`` names, the first if none."""
    with place.open() as file:
        found = directory_of(place, directories(file))
    return 1 if found is None else _valid(found.tags.get(ORIENTATION, 1))


def _valid(orientation: object) -> int:
    return orientation if isinstance(orientation, int) and 1 <= orientation <= 8 else 1
