"""How far one picture is moved against another, by phase correlation, and moving it back."""

from __future__ import annotations

import numpy as np
from skimage.registration import phase_cross_correlation

FINENESS = 50
"""parts of a pixel that shifts are counted in"""
LARGEST = 5.0
"""pixels beyond which what was found is no shift"""
_EVEN = 1e-9
"""of the largest value, that an even picture's differ by"""


def find_shift(picture: np.ndarray, reference: np.ndarray) -> tuple[float, float] | None:
    """Pixels along y and x that ``picture [y, x]`` is to be moved by to lie on ``reference [y, x]``.

    The peak of the phase correlation, refined by upsampled Fourier sums (Guizar-Sicairos et al. 2008). None where it
    is further than LARGEST off, and of an even picture, which shows no shift: its phases are those of rounding.
    """
    if any(np.ptp(one) <= _EVEN * np.abs(one).max() for one in (picture, reference)):
        return None
    found, _, _ = phase_cross_correlation(reference, picture, upsample_factor=FINENESS)
    down, across = (float(value) for value in found)
    return (down, across) if np.hypot(down, across) <= LARGEST else None


def moved(picture: np.ndarray, shift: tuple[float, float]) -> np.ndarray:
    """``picture [b, y, x]`` moved by ``shift`` pixels along y and x, between pixels linear, its edges repeated.

    >>> moved(np.array([[[0.0, 4.0, 8.0]]]), (0.0, 0.5))
    array([[[0., 2., 6.]]])
    """
    for axis, by in ((1, shift[0]), (2, shift[1])):
        length = picture.shape[axis]
        places = np.clip(np.arange(length) - by, 0, length - 1)
        before = np.minimum(places.astype(np.intp), max(0, length - 2))
        after = np.minimum(before + 1, length - 1)
        weights = (places - before).reshape([-1 if dim == axis else 1 for dim in range(3)])
        picture = np.take(picture, before, axis) * (1 - weights) + np.take(picture, after, axis) * weights
    return picture
