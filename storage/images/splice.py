"""A JPEG without what stands in the way of its pixels: stray bytes between its header's parts, and metadata that is
broken.

libjpeg skips stray bytes and says so, and GDAL is told to take its word for an error, since most of what it says so is
of pixels that are lost. Of the header nothing is lost: so that part is left out, and all else stays strict.
"""

from __future__ import annotations

import bisect
import struct
from dataclasses import dataclass
from typing import BinaryIO

from .place import Place
from .served import Served

_SOI = b"\xff\xd8"
_START_OF_SCAN = 0xDA
_METADATA = 0xE1
_ALONE = {0x01, *range(0xD0, 0xD9)}
_LONGEST_STRAY = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What of a JPEG file is to be read."""

    ranges: tuple[tuple[int, int], ...]
    """first byte and the one behind the last, in order"""
    stray: int
    """bytes between the header's parts"""
    metadata: int
    """bytes of EXIF and XMP that are left out"""


def header_parts(file: BinaryIO, *, keep_metadata: bool) -> Parts | None:
    """The parts of an open JPEG; None where there is no scan behind them, or nothing to leave out."""
    file.seek(0, 2)
    size = file.tell()
    file.seek(0)
    if file.read(2) != _SOI:
        return None
    ranges, at, stray, metadata = [(0, 2)], 2, 0, 0
    while True:
        found = _next_marker(file, at)
        if found is None:
            return None
        marker, begin = found
        stray += begin - at
        if marker in _ALONE:
            end = begin + 2
        else:
            file.seek(begin + 2)
            length = file.read(2)
            if len(length) < 2 or (end := begin + 2 + struct.unpack(">H", length)[0]) > size:
                return None
        if marker == _START_OF_SCAN:
            ranges.append((begin, size))
            break
        if marker == _METADATA and not keep_metadata:
            metadata += end - begin
        else:
            ranges.append((begin, end))
        at = end
    return Parts(ranges=tuple(ranges), stray=stray, metadata=metadata) if stray or metadata else None


def _next_marker(file: BinaryIO, at: int) -> tuple[int, int] | None:
    """The next marker at or behind ``at``, and where its 0xFF is; found as libjpeg finds it."""
    file.seek(at)
    data = file.read(4)
    if len(data) >= 2 and data[0] == 0xFF and data[1] not in (0x00, 0xFF):
        return data[1], at
    data += file.read(_LONGEST_STRAY)
    place = 0
    while (place := data.find(b"\xff", place)) >= 0 and place + 1 < len(data):
        if data[place + 1] not in (0x00, 0xFF):
            return data[place + 1], at + place
        place += 1
    return None


class Spliced(Served):
    """A file on this machine, of which parts are read as if they were all of it."""

    def __init__(self, place: Place, parts: Parts) -> None:
        self._place, self._ranges = place, parts.ranges
        self.name = place.name.name
        self._starts = [0]
        for begin, end in parts.ranges:
            self._starts.append(self._starts[-1] + end - begin)

    @property
    def size(self) -> int:
        return self._starts[-1]

    def read_at(self, start: int, count: int) -> bytes:
        pieces, stop = [], min(start + count, self.size)
        with self._place.open() as file:
            while start < stop:
                index = bisect.bisect_right(self._starts, start) - 1
                begin = self._ranges[index][0] + start - self._starts[index]
                file.seek(begin)
                piece = file.read(min(stop, self._starts[index + 1]) - start)
                if not piece:
                    break
                pieces.append(piece)
                start += len(piece)
        return b"".join(pieces)
