"""What a WebP file's chunks say: profile, EXIF, size, and whether it moves. No pixel is decoded here."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import BinaryIO

_MOST_BYTES = 64 << 20
_ANIMATED = 0x02


@dataclass(frozen=True, slots=True, kw_only=True)
class WebP:
    icc: bytes | None = None
    exif: bytes = b""
    frames: int = 1


def read_webp(file: BinaryIO) -> WebP:
    """Of an open file that begins as WebP does. A file that is cut short says what it has."""
    file.seek(0, 2)
    end = file.tell()
    at, icc, exif, frames, animated = 12, None, b"", 0, False
    while at + 8 <= end:
        file.seek(at)
        kind, size = struct.unpack("<4sI", file.read(8))
        if kind == b"VP8X":
            animated = bool(file.read(1)[0] & _ANIMATED)
        elif kind == b"ICCP" and size <= _MOST_BYTES:
            icc = file.read(size)
        elif kind == b"EXIF" and size <= _MOST_BYTES:
            exif = file.read(size)
        elif kind == b"ANMF":
            frames += 1
        at += 8 + size + size % 2
    return WebP(icc=icc, exif=exif, frames=max(frames, 1) if animated else 1)
