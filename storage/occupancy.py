"""Where an image holds any data, in squares: what has none need not be computed."""

from __future__ import annotations

import base64
import binascii
import zlib
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from .box import Box

CELL = 32
"""pixels a side of a square"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Occupancy:
    """A bit a square of an image: whether any of its pixels is data."""

    height: int
    """pixels of the image along y"""
    width: int
    bits: str
    """row-major from the top, packed, deflated, as base64"""

    def __post_init__(self) -> None:
        _ = self.squares

    @property
    def squares(self) -> np.ndarray:
        """bool ``[rows, columns]``. Raises ValueError where ``bits`` are no such table."""
        return _unpacked(self.bits, -(-self.height // CELL), -(-self.width // CELL))

    @property
    def share(self) -> float:
        """Of the squares that hold data."""
        return float(self.squares.mean())

    def holds(self, box: Box) -> bool:
        """Whether a square that a box of pixels touches holds data; what lies beyond the image holds none."""
        return bool(self._touched(box).any())

    def fills(self, box: Box) -> bool:
        """Whether a box of pixels touches squares, and all of them hold data."""
        touched = self._touched(box)
        return bool(touched.size and touched.all())

    def _touched(self, box: Box) -> np.ndarray:
        rows = slice(max(0, box.top // CELL), max(0, -(-box.bottom // CELL)))
        cols = slice(max(0, box.left // CELL), max(0, -(-box.right // CELL)))
        return self.squares[rows, cols]

    @classmethod
    def of(cls, squares: np.ndarray, *, height: int, width: int) -> Occupancy:
        """Of bool ``[rows, columns]``."""
        packed = np.packbits(squares.astype(bool)).tobytes()
        return cls(height=height, width=width, bits=base64.b64encode(zlib.compress(packed, 9)).decode())


@lru_cache(maxsize=16)
def _unpacked(bits: str, rows: int, cols: int) -> np.ndarray:
    try:
        packed = np.frombuffer(zlib.decompress(base64.b64decode(bits, validate=True)), np.uint8)
    except (binascii.Error, zlib.error) as error:
        raise ValueError(f"the table of where the image holds data is damaged: {error}") from error
    if len(packed) != -(-rows * cols // 8):
        raise ValueError(f"the table of where the image holds data has {len(packed)} bytes for {rows} x {cols} squares")
    squares = np.unpackbits(packed, count=rows * cols).astype(bool).reshape(rows, cols)
    squares.flags.writeable = False
    return squares


def squares_of(valid: np.ndarray) -> np.ndarray:
    """bool ``[rows, columns]`` of which squares of valid ``[y, x]`` hold any; both sides begin at a square's corner."""
    height, width = valid.shape
    padded = np.zeros((-(-height // CELL) * CELL, -(-width // CELL) * CELL), bool)
    padded[:height, :width] = valid
    squares = padded.reshape(padded.shape[0] // CELL, CELL, padded.shape[1] // CELL, CELL)
    return np.asarray(squares.any(axis=(1, 3)))
