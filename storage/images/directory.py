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


def read_tags(file: BinaryIO, wanted: Collection[int], offset: int | None = None) -> dict[int, Tag]:
    """Those of the ``wanted`` tags that a directory has, up to 16 MB each; empty where it cannot be read.

    ``offset`` is where it begins, None for the first.
    """
    file.seek(0)
    head = file.read(16)
    if head[:2] not in (b"II", b"MM") or len(head) < 16:
        return {}
    order = "<" if head[:2] == b"II" else ">"
    is_big = struct.unpack_from(f"{order}H", head, 2)[0] == _BIGTIFF
    if offset is None:
        offset = struct.unpack_from(f"{order}{'Q' if is_big else 'I'}", head, 8 if is_big else 4)[0]
    try:
        return dict(_entries(file, order, offset, is_big, wanted))
    except (struct.error, OverflowError):
        return {}


def _entries(file: BinaryIO, order: str, offset: int, is_big: bool, wanted: Collection[int]) -> list[tuple[int, Tag]]:
    letter, entry_bytes = ("Q", 20) if is_big else ("I", 12)
    count_letter, found = "Q" if is_big else "H", []
    file.seek(offset)
    (num_entries,) = struct.unpack(f"{order}{count_letter}", file.read(struct.calcsize(f"{order}{count_letter}")))
    entries = file.read(min(num_entries, _MOST_ENTRIES) * entry_bytes)
    for at in range(0, len(entries) - entry_bytes + 1, entry_bytes):
        tag, kind, count = struct.unpack_from(f"{order}HH{letter}", entries, at)
        size = _BYTES.get(kind, 1) * count
        if tag not in wanted or size > _MOST_BYTES:
            continue
        inline = entries[at + entry_bytes - struct.calcsize(letter) : at + entry_bytes]
        if size > len(inline):
            file.seek(struct.unpack(f"{order}{letter}", inline)[0])
            inline = file.read(size)
        found.append((tag, Tag(kind, inline[:size], order)))
    return found
