"""Which values of an image the model sees as 0 and 1."""

from __future__ import annotations

import numpy as np

from .facts import ImageFacts

HEAD_ROOM = 0.05
"""of the range that most values fill, beyond each end of it"""
FULL_SHARE = 0.5
"""of its number format that an image's values must fill to be shown as they are"""


def container(dtype: str) -> tuple[float, float]:
    """The whole range of a number format; that of floats is 0 to 1.

    >>> container("uint16"), container("int16"), container("float32")
    ((0.0, 65535.0), (-32768.0, 32767.0), (0.0, 1.0))
    """
    kind = np.dtype(dtype)
    if kind.kind == "f":
        return 0.0, 1.0
    return float(np.iinfo(kind).min), float(np.iinfo(kind).max)


def default_range(image: ImageFacts) -> tuple[float, float]:
    """The range of a recipe that leaves it open: of 8 bits the whole, of others what the image's values fill.

    Those between its percentiles, with head-room: see storage.images.statistics.
    """
    whole = container(image.dtype)
    if image.dtype == "uint8" or image.levels is None:
        return whole
    low, high = image.levels
    if np.dtype(image.dtype).kind != "f" and high - low >= FULL_SHARE * (whole[1] - whole[0]):
        return whole
    return with_head_room(low, high)


def with_head_room(low: float, high: float) -> tuple[float, float]:
    """
    >>> with_head_room(100.0, 300.0), with_head_room(7.0, 7.0)
    ((90.0, 310.0), (6.5, 7.5))
    """
    margin = HEAD_ROOM * (high - low) or 0.5 * (abs(low) * 1e-3 if abs(low) > 1e3 else 1.0)
    return low - margin, high + margin
