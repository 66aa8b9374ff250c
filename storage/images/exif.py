"""EXIF of an enlarged picture: the input's, upright, without its thumbnail, with the new size and resolution."""

from __future__ import annotations

import logging
import struct
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, BinaryIO

from PIL import ExifTags
from PIL.Image import Exif

from .density import usable

if TYPE_CHECKING:
    from .picture import Picture

log = logging.getLogger(__name__)

EXIF_PREFIX = b"Exif\0\0"
_BIGTIFF = (b"+\0", b"\0+")
_WORDS = {
    "DOCUMENTNAME": 269,
    "IMAGEDESCRIPTION": 270,
    "DATETIME": 306,
    "ARTIST": 315,
    "HOSTCOMPUTER": 316,
    "COPYRIGHT": 33432,
}
"""TIFF's tags that EXIF has too, by GDAL's names after TIFFTAG_"""
_FROM_TIFF = (269, 270, 271, 272, 305, 306, 315, 316, 33432, 34665, 34853)
"""of a TIFF's directory, what says something of the picture: words, the camera's tags, the place"""
_SOFTWARE = 305
_ORIENTATION, _X, _Y, _UNIT = 274, 282, 283, 296
_INCH = 2
_CAMERA, _GPS = 0x8769, 0x8825
_WIDTH, _HEIGHT = 40962, 40963
_MOST_NUMBERS = 8
_OF_THE_FILE = (256, 257, 258, 259, 262, 273, 277, 278, 279, 284, 513, 514, 530, 531, 532, 700, 33723, 34377, 34675)
"""how the input's pixels were stored, where its thumbnail is, and what is carried by other ways"""
_DAMAGE = (SyntaxError, ValueError, KeyError, TypeError, IndexError, OSError, OverflowError, struct.error)


def exif_of_tiff(file: BinaryIO, offset: int | None = None) -> bytes | None:
    """EXIF of a directory of an open TIFF: its words, its camera's tags and its place; None of a BigTIFF's.

    ``offset`` is where it begins, None for the first.
    """
    whole = Exif()
    if file.read(4)[2:] in _BIGTIFF:
        return None  # Pillow reads the classic kind alone
    file.seek(0)
    whole.load_from_fp(file, offset)
    kept = Exif()
    for tag in _FROM_TIFF:
        if tag in (_CAMERA, _GPS):
            if found := whole.get_ifd(tag):
                kept.get_ifd(tag).update(found)
        elif tag in whole:
            kept[tag] = whole[tag]
    return kept.tobytes().removeprefix(EXIF_PREFIX)


def exif_tags(exif: bytes) -> dict[str, str]:
    """What EXIF says in words, by the names that GDAL gives a JPEG's; TIFF's own words by TIFF's. Empty where damaged.

    Numbers are in GDAL's brackets; what is no text, and of more than some numbers, is left to those that read EXIF.
    """
    found = Exif()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            found.load(exif)
            ifds = [(dict(found), ExifTags.TAGS), (found.get_ifd(_CAMERA), ExifTags.TAGS)]
            ifds.append((found.get_ifd(_GPS), ExifTags.GPSTAGS))
            named = {
                f"EXIF_{names[tag]}": _text(value) for ifd, names in ifds for tag, value in ifd.items() if tag in names
            }
            words = {
                f"TIFFTAG_{name}": _text(found[tag])
                for name, tag in {**_WORDS, "SOFTWARE": _SOFTWARE}.items()
                if tag in found
            }
    except (*_DAMAGE, UserWarning):
        return {}
    return {name: text for name, text in {**named, **words}.items() if text}


def _text(value: object) -> str:
    if isinstance(value, str):
        return value.strip("\0 ")
    values = value if isinstance(value, tuple) else (value,)
    numbers = all(hasattr(one, "__float__") for one in values) and len(values) <= _MOST_NUMBERS
    return " ".join(f"({float(one):g})" for one in values) if numbers else ""


def exif_for(picture: Picture, *, software: str | None) -> bytes | None:
    """What to write, with "Exif" and zeros before it; None where there is nothing to say.

    A TIFF's own words are taken where the input has no EXIF. ``software``: what made the picture.
    """
    embedded = picture.info.metadata.embedded
    exif = Exif()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            exif.load(embedded.exif or b"")
            _clean(exif, picture)
            _add(exif, picture.info.metadata.tags, software)
            return exif.tobytes() if len(exif) else None
    except (*_DAMAGE, UserWarning) as error:
        log.warning("%s: its EXIF is damaged (%s), so it is left out", picture.info.path, error)
    exif = Exif()
    _add(exif, picture.info.metadata.tags, software)
    return exif.tobytes() if len(exif) else None


def _clean(exif: Exif, picture: Picture) -> None:
    for tag in (_ORIENTATION, _X, _Y, _UNIT, *_OF_THE_FILE):
        if tag in exif:
            del exif[tag]
    if _CAMERA in exif:
        camera = exif.get_ifd(_CAMERA)
        camera |= {tag: size for tag, size in ((_WIDTH, picture.width), (_HEIGHT, picture.height)) if tag in camera}
    if _GPS in exif:
        exif.get_ifd(_GPS)  # read, or it is not written again
    if len(exif):
        exif[_ORIENTATION] = 1
        if (dpi := usable(picture.dpi)) is not None:
            exif[_X], exif[_Y], exif[_UNIT] = dpi[0], dpi[1], _INCH


def _add(exif: Exif, tags: Mapping[str, str], software: str | None) -> None:
    for name, tag in _WORDS.items():
        if tag not in exif and f"TIFFTAG_{name}" in tags:
            exif[tag] = tags[f"TIFFTAG_{name}"]
    if software is not None:
        exif[_SOFTWARE] = software
