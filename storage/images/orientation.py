"""EXIF orientation, applied to windows: which stored pixels an upright window shows, and how to turn them.

The eight cases are one transpose (or none) followed by two flips (or none).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from storage.box import Box

_CASES = {
    1: (False, False, False),
    2: (False, False, True),
    3: (False, True, True),
    4: (False, True, False),
    5: (True, False, False),
    6: (True, False, True),
    7: (True, True, True),
    8: (True, True, False),
}
"""orientation: (transpose, flip along y, flip along x), the flips on the upright image"""


@dataclass(frozen=True, slots=True)
class Orientation:
    """How a file's stored pixels, ``[height, width]``, have to be turned to stand upright."""

    value: int
    height: int
    """stored rows"""
    width: int
    """stored columns"""

    @property
    def upright_shape(self) -> tuple[int, int]:
        """Height and width of the upright image."""
        return (self.width, self.height) if _CASES[self.value][0] else (self.height, self.width)

    def stored(self, box: Box) -> Box:
        """The stored window that the upright window ``box`` shows."""
        transpose, flip_y, flip_x = _CASES[self.value]
        height, width = self.upright_shape
        top = height - box.bottom if flip_y else box.top
        left = width - box.right if flip_x else box.left
        if transpose:
            return Box(top=left, left=top, height=box.width, width=box.height)
        return Box(top=top, left=left, height=box.height, width=box.width)

    def upright(self, stored: np.ndarray) -> np.ndarray:
        """Turn the pixels of a stored window, ``[..., y, x]``, upright."""
        transpose, flip_y, flip_x = _CASES[self.value]
        turned = stored.swapaxes(-1, -2) if transpose else stored
        turned = turned[..., ::-1, :] if flip_y else turned
        turned = turned[..., ::-1] if flip_x else turned
        return np.ascontiguousarray(turned)
