"""Writing a JPEG of any size in strips, so that only one strip is ever in memory.

GDAL and Pillow both hold a whole JPEG while they write it. But a JPEG with restart markers is a chain of pieces that
know nothing of each other: strips encoded by themselves, with equal tables, can be put one behind the other.

    SOI, tables, SOF (height of the whole), SOS | strip 0 | RST7 | strip 1 | RST7 | ... | EOI

A strip has a multiple of eight rows of coding blocks with a marker after each, RST0 to RST6 inside, so the marker
between two strips is always RST7.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

STRIP_ROWS = 128
"""rows of every strip but the last: eight rows of 16-pixel coding blocks"""
_SOF0 = 0xC0
_SOS = 0xDA
_BETWEEN = b"\xff\xd7"
_END = b"\xff\xd9"
_LONGEST = 65535


def write_jpeg(
    path: Path,
    strips: Iterable[np.ndarray],
    *,
    height: int,
    quality: int,
    icc: bytes | None = None,
    dpi: tuple[int, int] | None = None,
    segments: Sequence[bytes] = (),
) -> None:
    """Write ``strips`` of ``[1 or 3, STRIP_ROWS, width]`` uint8 (the last may be lower) as one baseline JPEG.

    ``height`` is that of the whole, in pixels; ``dpi`` counts dots an inch along x and y;
    ``segments`` (see segment) stand behind the first one of the header.
    """
    options: dict[str, Any] = {"quality": quality, "subsampling": "4:2:0", "restart_marker_rows": 1}
    if dpi:
        options["dpi"] = dpi
    with path.open("wb") as file:
        for number, strip in enumerate(strips):
            encoded = _encode(strip, **options, **({"icc_profile": icc} if icc and number == 0 else {}))
            start = _start_of_data(encoded)
            file.write(_header(encoded[:start], height, segments) if number == 0 else _BETWEEN)
            file.write(encoded[start : -len(_END)])
        file.write(_END)


def _encode(strip: np.ndarray, **options: Any) -> bytes:
    pixels = strip[0] if len(strip) == 1 else strip.transpose(1, 2, 0)
    encoded = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(encoded, "JPEG", **options)
    return encoded.getvalue()


def _segments(encoded: bytes) -> Iterable[tuple[int, int, int]]:
    """Marker, start and end of each header segment, up to the start of scan."""
    position = 2
    while True:
        marker = encoded[position + 1]
        end = position + 2 + int.from_bytes(encoded[position + 2 : position + 4], "big")
        yield marker, position, end
        if marker == _SOS:
            return
        position = end


def _start_of_data(encoded: bytes) -> int:
    return next(end for marker, _, end in _segments(encoded) if marker == _SOS)


def _header(header: bytes, height: int, more: Sequence[bytes]) -> bytes:
    """The first strip's header with the height of the whole image in its frame, and ``more`` behind JFIF's segment."""
    frame = next(start for marker, start, _ in _segments(header) if marker == _SOF0)
    first = next(end for _, _, end in _segments(header))
    at = frame + 5
    return header[:first] + b"".join(more) + header[first:at] + height.to_bytes(2, "big") + header[at + 2 :]


def segment(marker: int, body: bytes) -> bytes | None:
    """A segment of a header; None where ``body`` is longer than one can be.

    >>> segment(0xFE, b"words")
    b'\\xff\\xfe\\x00\\x07words'
    """
    size = len(body) + 2
    return bytes((0xFF, marker)) + size.to_bytes(2, "big") + body if size <= _LONGEST else None
