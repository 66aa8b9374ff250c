"""Colours that are no red, green and blue: four inks (CMYK) and CIELAB, turned to sRGB through their profile.

What an ink looks like, only the profile says, so a file of inks without one is refused. CIELAB says it by itself.
"""

from __future__ import annotations

import io
import struct
from functools import lru_cache
from typing import BinaryIO

from PIL import Image, ImageCms

from storage.errors import ImageError

from .directories import PHOTOMETRIC, directories, is_tiff
from .pages import directory_of
from .place import Place

_SEPARATED, _CIELAB = 5, (8, 9, 10)
_PLACES = {33550, 33922, 34264}
"""tags that say where an image lies on the ground: pixel scale, tie points, transform"""
_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_MADE = struct.pack(">6H", 2000, 1, 1, 0, 0, 0)
"""the date that our sRGB profile bears: lcms writes the second in which it makes one"""


def colour_space(place: Place, head: bytes) -> str:
    """CMYK, YCCK or CIELAB; "" for anything else, and for what is no JPEG and no TIFF."""
    with place.open() as file:
        if head.startswith(b"\xff\xd8\xff"):
            return _jpeg_space(file)
        if not is_tiff(head):
            return ""
        found = directory_of(place, directories(file))
    kind = 0 if found is None else found.tags.get(PHOTOMETRIC, 0)
    if kind == _SEPARATED:
        return "CMYK"
    return "CIELAB" if kind in _CIELAB else ""


def is_placed(place: Place) -> bool:
    """Whether the TIFF at ``place`` says where on the ground it lies."""
    with place.open() as file:
        found = directory_of(place, directories(file))
    return found is not None and not _PLACES.isdisjoint(found.tags)


def _jpeg_space(file: BinaryIO) -> str:
    """By the number of components and Adobe's mark."""
    at, transform = 2, 0
    while True:
        file.seek(at)
        head = file.read(16)
        if len(head) < 10:
            return ""
        if head[0] != 0xFF or head[1] == 0xFF:
            at += 1
            continue
        if head[1] in _FRAMES:
            return ("YCCK" if transform == 2 else "CMYK") if head[9] == 4 else ""
        if head[1] == 0xEE and head[4:9] == b"Adobe":
            transform = head[15]
        at += 2 + (0 if 0xD0 <= head[1] <= 0xD8 or head[1] == 0x01 else struct.unpack(">H", head[2:4])[0])


def to_srgb(image: Image.Image, where: str) -> Image.Image:
    """An image of inks or CIELAB as 8-bit RGB, relative colorimetric. Raises ImageError where no profile says how."""
    data = image.info.get("icc_profile")
    try:
        if image.mode == "LAB":
            source: ImageCms.ImageCmsProfile = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
        else:
            source = ImageCms.ImageCmsProfile(io.BytesIO(data or b""))
        target = ImageCms.ImageCmsProfile(io.BytesIO(srgb()))
        intent = ImageCms.Intent.RELATIVE_COLORIMETRIC
        found = ImageCms.profileToProfile(image, source, target, renderingIntent=intent, outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError) as error:
        raise ImageError(f"{where}: its colour profile cannot be read: {error}; convert it to RGB first") from error
    assert found is not None
    return found


@lru_cache
def srgb() -> bytes:
    """The sRGB profile, the same bytes at every call."""
    data = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    data[24:36] = _MADE
    return bytes(data)
