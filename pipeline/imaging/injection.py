"""Bands that the model does not see, enlarged with the detail of those that it restored.

Detail injection as in pansharpening, with gains from regression in context (Aiazzi et al. 2007; "A Critical Comparison
Among Pansharpening Algorithms", Vivone et al. 2015): the restored bands' mean P stands for the sharp picture,

    x_k = up(y_k) + g_k (P - up(down(P))),    g_k = cov(y_k, down(P)) / var(down(P)),

covariance and variance over the input pixels in a square round each place. Where a band does not follow the picture, or
the picture is even, its gain is near 0 and it is enlarged by itself.
"""

from __future__ import annotations

import numpy as np

from .consistency import enlarged, shrunk
from .pixels import CUBIC_REACH

RADIUS = 4
"""input pixels from the middle of the square that gains are looked up in to its edge"""
REACH = CUBIC_REACH + RADIUS
"""input pixels round a pixel that is injected that are read"""
_LEAST_DEVIATION = 1e-3
"""of the picture, as a share of its value range: below it there is nothing to learn a gain from"""
_MOST_GAIN = 4.0


def inject(low: np.ndarray, picture: np.ndarray, scale: int, span: float) -> np.ndarray:
    """``low [k, h, w]`` enlarged with the detail of ``picture [1, h * scale, w * scale]``, all float64.

    ``span``: of the value range that the picture's values lie in.
    """
    coarse = shrunk(picture, scale)
    detail = picture - enlarged(coarse, scale)
    return enlarged(low, scale) + enlarged(gains(low, coarse, span), scale) * detail


def gains(low: np.ndarray, coarse: np.ndarray, span: float) -> np.ndarray:
    """``[k, h, w]``: of each band ``[k, h, w]`` over ``coarse [1, h, w]``, the picture as coarse."""
    # round a middle of their own, sums of squares lose no digits
    band, picture = (values - values.mean(axis=(1, 2), keepdims=True) for values in (low, coarse))
    means = [_mean(values) for values in (band, picture, band * picture, picture**2)]
    covariance = means[2] - means[0] * means[1]
    variance = np.maximum(means[3] - means[1] ** 2, 0.0)
    found: np.ndarray = covariance / (variance + (_LEAST_DEVIATION * span) ** 2)
    return np.clip(found, -_MOST_GAIN, _MOST_GAIN)


def _mean(values: np.ndarray) -> np.ndarray:
    """Over the square round each pixel, as much of it as there is."""
    height, width = values.shape[1:]
    sums = np.pad(values.cumsum(1).cumsum(2), ((0, 0), (1, 0), (1, 0)))
    ys, xs = np.arange(height), np.arange(width)
    top, bottom = np.maximum(ys - RADIUS, 0), np.minimum(ys + RADIUS + 1, height)
    left, right = np.maximum(xs - RADIUS, 0), np.minimum(xs + RADIUS + 1, width)
    rows = sums[:, bottom] - sums[:, top]
    total = rows[:, :, right] - rows[:, :, left]
    found: np.ndarray = total / ((bottom - top)[:, None] * (right - left)[None])
    return found
