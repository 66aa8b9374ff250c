"""The directories of a TIFF or BigTIFF of either byte order: each one image, an overview, a mask, or a page."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

SUBFILE_TYPE, WIDTH, HEIGHT, PHOTOMETRIC, DESCRIPTION, ORIENTATION, ICC = 254, 256, 257, 262, 270, 274, 34675
_OLD_SUBFILE_TYPE = 255
_BIGTIFF = 43
_FORMATS = {1: "B", 2: "c", 3: "H", 4: "I", 16: "Q"}
_MOST = 65_535
_REDUCED, _MASK = 1, 4
_SLIDE = b"Aperio"


@dataclass(frozen=True, slots=True, kw_only=True)
class Directory:
    """One image of a TIFF."""

    number: int
    """in the file, from 1: GDAL's GTIFF_DIR"""
    offset: int
    tags: dict[int, int]
    """first values of those that are whole numbers; of all others 0"""
    is_slide: bool = False
    """whether its description says that it is a whole slide, whose levels are directories, too"""

    @property
    def is_page(self) -> bool:
        """Whether it is neither a smaller copy of another one nor a mask."""
        return not self.tags.get(SUBFILE_TYPE, 0) & (_REDUCED | _MASK) and self.tags.get(_OLD_SUBFILE_TYPE, 0) != 2


def is_tiff(head: bytes) -> bool:
    return head[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def directories(file: BinaryIO) -> Iterator[Directory]:
    """Those of an open file, one after another. Stops where the file is damaged: whoever reads pixels will say so."""
    seen: set[int] = set()
    try:
        file.seek(0)
        head = file.read(16)
        order = "<" if head[:2] == b"II" else ">"
        is_big = _BIGTIFF in head[2:4]
        offset = struct.unpack_from(order + ("Q" if is_big else "I"), head, 8 if is_big else 4)[0]
        while offset and offset not in seen and len(seen) < _MOST:
            seen.add(offset)
            found, following = _read(file, offset, order, is_big, len(seen))
            yield found
            offset = following
    except (struct.error, OSError, OverflowError, ValueError):
        return


def _read(file: BinaryIO, offset: int, order: str, is_big: bool, number: int) -> tuple[Directory, int]:
    """A directory and the place of the next one, 0 for none."""
    count_format, entry_bytes, value_at, link = ("Q", 20, 12, "Q") if is_big else ("H", 12, 8, "I")
    file.seek(offset)
    (count,) = struct.unpack(order + count_format, file.read(struct.calcsize(order + count_format)))
    entries = file.read(min(count, _MOST) * entry_bytes)
    link_bytes = struct.calcsize(order + link)
    data = file.read(link_bytes)
    following = struct.unpack(order + link, data)[0] if len(data) == link_bytes else 0
    tags: dict[int, int] = {}
    is_slide = False
    for at in range(0, len(entries) - entry_bytes + 1, entry_bytes):
        tag, kind = struct.unpack_from(f"{order}HH", entries, at)
        value: object = 0
        if kind in _FORMATS:
            value = struct.unpack_from(order + _FORMATS[kind], entries, at + value_at)[0]
        tags[tag] = value if isinstance(value, int) else 0
        if tag == DESCRIPTION and not is_slide:
            place = struct.unpack_from(order + link, entries, at + value_at)[0]
            file.seek(place)
            is_slide = file.read(len(_SLIDE)) == _SLIDE
    return Directory(number=number, offset=offset, tags=tags, is_slide=is_slide), following


def pages(file: BinaryIO) -> list[Directory]:
    """The pages of an open TIFF. The levels, label and thumbnail of a whole slide are none."""
    found = [one for one in directories(file) if one.is_page]
    return found[:1] if found and found[0].is_slide else found
