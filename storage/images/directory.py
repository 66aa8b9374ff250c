"""One directory of a TIFF or BigTIFF of either byte order: tags that GDAL keeps to itself.

classic: II or MM, 42, offset (4 bytes); directory: count (2), entries of 12 bytes: tag, type, count, value or offset
BigTIFF: II or MM, 43, 8, 0, offset (8 bytes); directory: count (8), entries of 20 bytes
"""

from __future__ import annotations

import struct
from collections.abc import Collection
from dataclasses import dataclass
from typing import BinaryIO

EXTRA_SAMPLES = 338
IPTC = 33723
EXIF = 34665
_BIGTIFF = 43
_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
"""of a value of each type"""
_SHORT, _LONG = 3, 4
_MOST_BYTES = 16 << 20
_MOST_ENTRIES = 65535


@dataclass(frozen=True, slots=True)
class Tag:
    """The values of one tag."""

    kind: int
    """TIFF's number of the type"""
    raw: bytes
    order: str
    """of the bytes: "<" or ">" """

    @property
    def numbers(self) -> tuple[int, ...]:
        """Those of a SHORT or LONG tag, else the bytes'."""
        letter = {_SHORT: "H", _LONG: "I"}.get(self.kind, "B")
        return struct.unpack(f"{self.order}{len(self.raw) // struct.calcsize(letter)}{letter}", self.raw)


@dataclass(frozen=True, slots=True)
class Form:
    """What a TIFF's first bytes say."""

    order: str
    """of bytes: "<" or ">" """
    is_big: bool
    first: int
    """where its first directory begins"""

    @property
    def link(self) -> str:
        """The letter of a place in the file."""
        return "Q" if self.is_big else "I"


@dataclass(frozen=True, slots=True)
class Entry:
    """One tag in a directory."""

    tag: int
    kind: int
    count: int
    held: bytes
    """its values, or the place of those that are longer than a place is"""


def form_of(file: BinaryIO) -> Form | None:
    """Of an open file; None where it is no TIFF."""
    file.seek(0)
    head = file.read(16)
    if head[:2] not in (b"II", b"MM") or len(head) < 16:
        return None
    order = "<" if head[:2] == b"II" else ">"
    is_big = struct.unpack_from(f"{order}H", head, 2)[0] == _BIGTIFF
    first = struct.unpack_from(f"{order}{'Q' if is_big else 'I'}", head, 8 if is_big else 4)[0]
    return Form(order, is_big, first)


def entries_of(file: BinaryIO, form: Form, offset: int) -> tuple[list[Entry], int]:
    """The entries of the directory at ``offset``, and where the next one begins, 0 for none.

    Raises struct.error or OverflowError where it cannot be read.
    """
    count_letter, entry_bytes = ("Q", 20) if form.is_big else ("H", 12)
    place_bytes = struct.calcsize(form.link)
    file.seek(offset)
    (count,) = struct.unpack(form.order + count_letter, file.read(struct.calcsize(form.order + count_letter)))
    table = file.read(min(count, _MOST_ENTRIES) * entry_bytes)
    link = file.read(place_bytes)
    following = struct.unpack(form.order + form.link, link)[0] if len(link) == place_bytes else 0
    found = []
    for at in range(0, len(table) - entry_bytes + 1, entry_bytes):
        tag, kind, num_values = struct.unpack_from(f"{form.order}HH{form.link}", table, at)
        found.append(Entry(tag, kind, num_values, table[at + entry_bytes - place_bytes : at + entry_bytes]))
    return found, following


def place_in(entry: Entry, form: Form) -> int:
    """Where the values of an entry are that does not hold them."""
    found: int = struct.unpack(form.order + form.link, entry.held)[0]
    return found


def read_tags(file: BinaryIO, wanted: Collection[int], offset: int | None = None) -> dict[int, Tag]:
    """Those of the ``wanted`` tags that a directory has, up to 16 MB each; empty where it cannot be read.

    ``offset`` is where it begins, None for the first.
    """
    form = form_of(file)
    if form is None:
        return {}
    found: dict[int, Tag] = {}
    try:
        for entry in entries_of(file, form, form.first if offset is None else offset)[0]:
            size = _BYTES.get(entry.kind, 1) * entry.count
            if entry.tag not in wanted or size > _MOST_BYTES:
                continue
            data = entry.held
            if size > len(data):
                file.seek(place_in(entry, form))
                data = file.read(size)
            found[entry.tag] = Tag(entry.kind, data[:size], form.order)
    except (struct.error, OverflowError):
        return {}
    return found
