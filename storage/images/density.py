"""The resolution (dots an inch) of finished PNG and JPEG files, which GDAL leaves out."""

from __future__ import annotations

import shutil
import struct
import zlib
from pathlib import Path

_INCHES_PER_METRE = 1 / 0.0254
_PNG_HEADER_BYTES = 33
_JFIF_UNITS_AT = 13
_MAX_JFIF = 65535


def stamp_density(path: Path, driver: str, dpi: tuple[float, float]) -> None:
    """Set the resolution of a PNG or JPEG file that has none; ``dpi`` along x and y. Other formats are left alone."""
    if driver == "PNG":
        _stamp_png(path, dpi)
    elif driver == "JPEG":
        _stamp_jpeg(path, dpi)


def _stamp_png(path: Path, dpi: tuple[float, float]) -> None:
    """Copy the file with a pHYs chunk after its header, the only place where it may grow."""
    x, y = (round(value * _INCHES_PER_METRE) for value in dpi)
    body = b"pHYs" + struct.pack(">IIB", x, y, 1)
    chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    stamped = path.with_name(f"{path.name}.density")
    with path.open("rb") as source, stamped.open("wb") as target:
        target.write(source.read(_PNG_HEADER_BYTES))
        target.write(chunk)
        shutil.copyfileobj(source, target, 1 << 20)
    stamped.replace(path)


def _stamp_jpeg(path: Path, dpi: tuple[float, float]) -> None:
    x, y = (min(_MAX_JFIF, round(value)) for value in dpi)
    with path.open("r+b") as file:
        if file.read(11)[6:] == b"JFIF\0":
            file.seek(_JFIF_UNITS_AT)
            file.write(struct.pack(">BHH", 1, x, y))
