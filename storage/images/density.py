"""Resolution, in dots an inch: which of those that files tell can be meant, and how formats write it."""

from __future__ import annotations

import struct

_INCHES_PER_METRE = 1 / 0.0254
MOST = 1e7
"""dots an inch: 2.5 nanometres a dot, finer than light shows; more is a slip of whoever wrote the header"""
_LEAST = 1e-3
_MOST_IN_JPEG = 65535
_MOST_IN_PNG = 2**31 - 1


def usable(dpi: tuple[float, float] | None) -> tuple[float, float] | None:
    """``dpi`` along x and y, or None where it cannot be meant: zero, negative, no number or absurdly much.

    >>> usable((300.0, 300.0)), usable((0.0, 0.0)), usable((4e9, 4e9))
    ((300.0, 300.0), None, None)
    """
    return dpi if dpi is not None and all(_LEAST <= value <= MOST for value in dpi) else None


def jpeg_density(dpi: tuple[float, float] | None) -> tuple[int, int] | None:
    """What a JPEG's header says of ``dpi``; None where its 16 bits cannot hold it.

    >>> jpeg_density((1200.4, 600.0)), jpeg_density((80000.0, 80000.0)), jpeg_density((0.2, 0.2))
    ((1200, 600), None, None)
    """
    return _whole(dpi, 1.0, _MOST_IN_JPEG)


def png_density(dpi: tuple[float, float] | None) -> bytes | None:
    """The body of a PNG's pHYs chunk, pixels a metre; None where it cannot hold ``dpi``."""
    found = _whole(dpi, _INCHES_PER_METRE, _MOST_IN_PNG)
    return None if found is None else struct.pack(">IIB", *found, 1)


def _whole(dpi: tuple[float, float] | None, factor: float, most: int) -> tuple[int, int] | None:
    if usable(dpi) is None:
        return None
    assert dpi is not None
    x, y = (round(value * factor) for value in dpi)
    return (x, y) if min(x, y) >= 1 and max(x, y) <= most else None
