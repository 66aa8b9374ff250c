"""The resolution (dots an inch) of a finished PNG file, which GDAL leaves out."""

from __future__ import annotations

import shutil
import struct
import zlib
from pathlib import Path

_INCHES_PER_METRE = 1 / 0.0254
_HEADER_BYTES = 33


def stamp_png(path: Path, dpi: tuple[float, float]) -> None:
    """Give a PNG file without resolution the resolution ``dpi``, along x and y.

    The file is copied with a pHYs chunk after its header, the only place where it may grow.
    """
    x, y = (round(value * _INCHES_PER_METRE) for value in dpi)
    body = b"pHYs" + struct.pack(">IIB", x, y, 1)
    chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    stamped = path.with_name(f"{path.name}.density")
    with path.open("rb") as source, stamped.open("wb") as target:
        target.write(source.read(_HEADER_BYTES))
        target.write(chunk)
        shutil.copyfileobj(source, target, 1 << 20)
    stamped.replace(path)
