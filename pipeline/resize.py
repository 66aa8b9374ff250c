"""Bicubic resizing of a box of a canvas to any other canvas, the same bits whichever box is asked for.

The four taps of each pixel are added in a fixed order, element by element, so a region computed alone equals its part
of the whole.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from storage.box import Box

SHARPNESS = -0.75
"""a of Keys' cubic convolution: torch's and OpenCV's bicubic"""


def cubic_taps(start: int, stop: int, length_in: int, length_out: int) -> tuple[np.ndarray, np.ndarray]:
    """Which pixels of an axis of ``length_in`` make the pixels ``start .. stop`` of ``length_out``, and their weights.

    Returns indices ``[n, 4] int`` and weights ``[n, 4] float32``. Pixel areas are matched (no half-pixel drift); beyond
    the ends the first and last pixels repeat.

    >>> cubic_taps(0, 1, 8, 8)[1].tolist()
    [[0.0, 1.0, 0.0, 0.0]]
    """
    place = (np.arange(start, stop) + 0.5) * (length_in / length_out) - 0.5
    first = np.floor(place)
    taps = np.stack([_cubic(np.abs(place - first - offset)) for offset in (-1, 0, 1, 2)], axis=1)
    indices = first[:, None].astype(np.int64) + np.array([-1, 0, 1, 2])
    return np.clip(indices, 0, length_in - 1), taps.astype(np.float32)


def _cubic(distance: np.ndarray) -> np.ndarray:
    """Keys' kernel (1981) at distances from 0 to 2."""
    a, d = SHARPNESS, distance
    near = ((a + 2) * d - (a + 3)) * d * d + 1
    far = ((a * d - 5 * a) * d + 8 * a) * d - 4 * a
    return np.where(d <= 1, near, np.where(d < 2, far, 0.0))


def resize_box(
    read: Callable[[Box], np.ndarray], size_in: tuple[int, int], size_out: tuple[int, int], box: Box
) -> np.ndarray:
    """``box`` of a canvas of ``size_out``, ``[c, y, x] float32``, from one of ``size_in``; sizes are height, width.

    ``read`` gives ``[c, y, x]`` of a box of the latter. Equal sizes give the same values back.
    """
    rows, weights_y = cubic_taps(box.top, box.bottom, size_in[0], size_out[0])
    cols, weights_x = cubic_taps(box.left, box.right, size_in[1], size_out[1])
    top, left = int(rows.min()), int(cols.min())
    window = Box(top=top, left=left, height=int(rows.max()) + 1 - top, width=int(cols.max()) + 1 - left)
    values = np.asarray(read(window), dtype=np.float32)
    along_y = np.zeros((len(values), box.height, window.width), dtype=np.float32)
    for tap in range(4):
        along_y += values[:, rows[:, tap] - top] * weights_y[:, tap, None]
    resized = np.zeros((len(values), *box.shape), dtype=np.float32)
    for tap in range(4):
        resized += along_y[:, :, cols[:, tap] - left] * weights_x[:, tap]
    return resized
