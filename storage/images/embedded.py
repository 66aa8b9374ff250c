"""What stands in an image file's header and is not GDAL's: EXIF, XMP, IPTC, texts, how numbers are to be shown."""

from __future__ import annotations

import logging
import struct
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, BinaryIO

from PIL.JpegImagePlugin import JpegImageFile

from storage.errors import ImageError

from .chunks import COLOUR, TEXT, Chunk, read_chunks, text_of
from .directories import directories
from .directory import EXIF, EXTRA_SAMPLES, IPTC, read_tags
from .exif import EXIF_PREFIX, exif_of_tiff
from .pages import directory_of
from .place import Place, find_place

log = logging.getLogger(__name__)

XMP_KEYWORD = "XML:com.adobe.xmp"
"""of the PNG text that is a packet"""
_PACKET = "xml:XMP"
_OTHER_FILES_WORDS = ("Raw profile type ", XMP_KEYWORD)
_IPTC_RESOURCE = 0x0404
_ASSOCIATED = 1
_MOST_BYTES = 16 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Embedded:
    """Each as it stands in the file, absent ones None or empty."""

    exif: bytes | None = None
    """from its TIFF header on, "Exif" and zeros before it left out"""
    xmp: bytes | None = None
    """a packet of XML"""
    iptc: bytes | None = None
    """records of IPTC's Information Interchange Model"""
    texts: tuple[tuple[str, str], ...] = ()
    """keyword and text, of PNG; JPEG's comment is called Comment"""
    colour: tuple[Chunk, ...] = ()
    """PNG's chunks of gamma, primaries and intent"""
    is_premultiplied: bool = False
    """whether a TIFF says that its colours are multiplied by its alpha"""


def read_embedded(raster: Any, place: Place | None = None) -> Embedded:
    """Of a file that rasterio has open; nothing for one that only GDAL can reach, but what GDAL tells of it.

    ``place``: where it is, if it is known; else its name says.
    """
    packet = raster.tags(ns=_PACKET).get(_PACKET)
    plain = Embedded(xmp=packet.encode("utf-8", "surrogateescape") if packet else None)
    found = place or _local_place(raster.name)
    return plain if found is None else embedded_in(found, raster.driver, plain)


def embedded_in(place: Place, driver: str, plain: Embedded) -> Embedded:
    """Of the file at ``place``, of one page of a TIFF; ``plain`` is what is known of it already."""
    read = _READERS.get(driver)
    if read is None:
        return plain
    try:
        with place.open() as file, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's, of damaged EXIF: said below, or by whoever cleans it
            page = directory_of(place, directories(file)) if place.before else None
            file.seek(0)
            return read(file, plain) if page is None else _from_tiff(file, plain, page.offset)
    except (OSError, SyntaxError, ValueError, KeyError, TypeError, struct.error, ImageError) as error:
        log.warning("%s: its EXIF, XMP and IPTC are damaged (%s), so they are left out", place.dataset, error)
        return plain


def _local_place(name: str) -> Place | None:
    """Where a file is, or a member of an archive; None for what is far away."""
    try:
        place = find_place(name)
        return place if place.file.is_file() else None
    except (ImageError, OSError):
        return None


def _from_png(file: BinaryIO, plain: Embedded) -> Embedded:
    chunks = list(read_chunks(file))
    found = [text_of(name, body) for name, body in chunks if name in TEXT]
    texts = [text for text in found if text is not None]
    packets = [text for keyword, text in texts if keyword == XMP_KEYWORD]
    return Embedded(
        exif=next((body for name, body in chunks if name == b"eXIf"), None),
        xmp=packets[0].encode() if packets else plain.xmp,
        iptc=_iptc_of(_raw_profile(dict(texts).get("Raw profile type iptc", ""))),
        texts=tuple(text for text in texts if not text[0].startswith(_OTHER_FILES_WORDS)),
        colour=tuple(chunk for chunk in chunks if chunk[0] in COLOUR),
    )


def _raw_profile(text: str) -> bytes:
    """What ImageMagick writes as text: a name, a count of bytes, and these in hexadecimal."""
    words = text.split()
    try:
        return bytes.fromhex("".join(words[2:]))
    except ValueError:
        return b""


def _iptc_of(resources: bytes) -> bytes | None:
    """The records among Photoshop's resources ``8BIM, number, name, size, data``, or those that stand alone."""
    if resources[:1] == b"\x1c":
        return resources
    at = 0
    while resources[at : at + 4] == b"8BIM":
        (number,) = struct.unpack_from(">H", resources, at + 4)
        name_bytes = (resources[at + 6] + 2) & ~1
        (size,) = struct.unpack_from(">I", resources, at + 6 + name_bytes)
        start = at + 10 + name_bytes
        if number == _IPTC_RESOURCE:
            return resources[start : start + size]
        at = start + ((size + 1) & ~1)
    return None


def _from_jpeg(file: BinaryIO, plain: Embedded) -> Embedded:
    with JpegImageFile(file) as image:
        info = image.info
    comment = info.get("comment", b"").decode("utf-8", "replace")
    resources = info.get("photoshop") or {}
    exif = info.get("exif")
    return Embedded(
        exif=exif.removeprefix(EXIF_PREFIX) if exif else None,
        xmp=info.get("xmp") or plain.xmp,
        iptc=resources.get(_IPTC_RESOURCE),
        texts=(("Comment", comment),) if comment else (),
    )


def _from_webp(file: BinaryIO, plain: Embedded) -> Embedded:
    found: dict[bytes, bytes] = {}
    file.seek(12)
    while len(head := file.read(8)) == 8:
        name, size = struct.unpack("<4sI", head)
        if name in (b"EXIF", b"XMP ") and size <= _MOST_BYTES:
            found.setdefault(name, file.read(size))
            file.seek(size & 1, 1)
        else:
            file.seek(size + (size & 1), 1)
    exif = found.get(b"EXIF")
    return Embedded(exif=exif.removeprefix(EXIF_PREFIX) if exif else None, xmp=found.get(b"XMP ", plain.xmp))


def _from_tiff(file: BinaryIO, plain: Embedded, offset: int | None = None) -> Embedded:
    """Of the directory that begins at ``offset``, else of the first."""
    tags = read_tags(file, (EXTRA_SAMPLES, IPTC, EXIF), offset)
    samples = tags[EXTRA_SAMPLES].numbers if EXTRA_SAMPLES in tags else ()
    file.seek(0)
    return Embedded(
        exif=exif_of_tiff(file, offset) if EXIF in tags else None,
        xmp=plain.xmp,
        iptc=_iptc_of(tags[IPTC].raw) if IPTC in tags else None,
        is_premultiplied=_ASSOCIATED in samples,
    )


_READERS: dict[str, Callable[[BinaryIO, Embedded], Embedded]] = {
    "PNG": _from_png,
    "JPEG": _from_jpeg,
    "WEBP": _from_webp,
    "GTiff": _from_tiff,
    "COG": _from_tiff,
}
