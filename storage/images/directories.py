"""The directories of a TIFF or BigTIFF of either byte order: each one image, an overview, a mask, or a page."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from .directory import Entry, Form, entries_of, form_of, place_in

SUBFILE_TYPE, WIDTH, HEIGHT, PHOTOMETRIC, DESCRIPTION, ORIENTATION, ICC = 254, 256, 257, 262, 270, 274, 34675
_OLD_SUBFILE_TYPE = 255
_WHOLE = {1: "B", 3: "H", 4: "I", 16: "Q"}
"""letters of the types that are whole numbers"""
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
        form = form_of(file)
        offset = 0 if form is None else form.first
        while form is not None and offset and offset not in seen and len(seen) < _MOST:
            seen.add(offset)
            entries, following = entries_of(file, form, offset)
            yield _directory(file, form, entries, offset, len(seen))
            offset = following
    except (struct.error, OSError, OverflowError, ValueError):
        return


def _directory(file: BinaryIO, form: Form, entries: list[Entry], offset: int, number: int) -> Directory:
    tags: dict[int, int] = {}
    is_slide = False
    for entry in entries:
        letter = _WHOLE.get(entry.kind)
        tags[entry.tag] = 0 if letter is None else struct.unpack_from(form.order + letter, entry.held)[0]
        if entry.tag == DESCRIPTION and not is_slide:
            file.seek(place_in(entry, form))
            is_slide = file.read(len(_SLIDE)) == _SLIDE
    return Directory(number=number, offset=offset, tags=tags, is_slide=is_slide)


def pages(file: BinaryIO) -> list[Directory]:
    """The pages of an open TIFF. The levels, label and thumbnail of a whole slide are none."""
    found = [one for one in directories(file) if one.is_page]
    return found[:1] if found and found[0].is_slide else found
