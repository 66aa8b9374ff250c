"""What of a restored satellite picture is true, what is missing and what is invented, where the truth is known.

The measures of opensr-test (Aybar et al. 2024), written from their definitions, with its settings. Of an input, a
result and the truth: ``reflectance``, ``spectral`` and ``spatial`` say whether the result, shrunk, is the input;
``synthesis`` how much was added to the input; and each pixel at which anything should have changed, or did, is shared
out to improvement (it is like the truth), omission (like the input) and hallucination (like neither).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .shift import find_shift, moved
from .spectra import angles

BORDER = 16
"""pixels of the result along the picture's edge that are left out"""
QUANTILE = 0.75
"""of the distances from input to truth: what is not above this anywhere is not shared out"""
SHARPNESS = 0.05
"""how fast scores move away from their corner: of all three"""
TEMPERATURE = 0.25
"""of the soft minimum of the three"""
_LEAST = 1e-8


@dataclass(frozen=True, slots=True, kw_only=True)
class Invention:
    """Of one window, or on average; NaN for what could not be measured."""

    reflectance: float
    """mean absolute difference of the shrunk result and the input, in the pictures' unit"""
    spectral: float
    """mean angle between their spectra, degrees"""
    spatial: float
    """how far they are moved against each other, input pixels"""
    synthesis: float
    """mean absolute difference of the result, its systematic errors removed, and the enlarged input"""
    ha_metric: float
    """hallucination, a share"""
    om_metric: float
    """omission, a share"""
    im_metric: float
    """improvement, a share: the three are 1 together"""


def measure(low: np.ndarray, made: np.ndarray, truth: np.ndarray, valid: np.ndarray | None = None) -> Invention:
    """Of one window: ``low [b, h, w]``, ``made`` and ``truth [b, h * scale, w * scale]``, in one unit.

    ``valid``: bool ``[h * scale, w * scale]``, where all three are data; the others take part in no figure, and are to
    be filled from around them.
    """
    low, made, truth = (picture.astype(np.float64) for picture in (low, made, truth))
    known = np.ones(truth.shape[1:], bool) if valid is None else valid
    scale = truth.shape[1] // low.shape[1]
    coarse = known.reshape(low.shape[1], scale, low.shape[2], scale).all(axis=(1, 3))
    seen, large = resized(made, low.shape[1:]), resized(low, truth.shape[1:])
    shown = slice(0, 3 if len(low) >= 3 else 1)
    shift = find_shift(low[shown].mean(axis=0), seen[shown].mean(axis=0))
    like = harmonised(made, truth, known)
    shares = share_out(*(difference(*pair)[known] for pair in ((large, truth), (like, truth), (like, large))))
    return Invention(
        reflectance=_mean(np.abs(low - seen).mean(axis=0)[coarse]),
        spectral=_mean(angles(low, seen)[coarse]),
        spatial=np.nan if shift is None else float(np.hypot(*shift)),
        synthesis=_mean(np.abs(large - like).mean(axis=0)[known]),
        im_metric=shares[0],
        om_metric=shares[1],
        ha_metric=shares[2],
    )


def harmonised(made: np.ndarray, truth: np.ndarray, known: np.ndarray) -> np.ndarray:
    """``made [b, y, x]`` with the truth's histogram, band by band, and moved onto it."""
    like = np.stack([matched(ours, theirs, known) for ours, theirs in zip(made, truth, strict=True)])
    shift = find_shift(like.mean(axis=0), truth.mean(axis=0))
    return like if shift is None else moved(like, shift)


def matched(values: np.ndarray, like: np.ndarray, known: np.ndarray) -> np.ndarray:
    """``values [y, x]`` with the histogram of ``like``, both looked at where ``known``; the rest goes along.

    >>> matched(np.array([[1.0, 2.0, 3.0]]), np.array([[10.0, 20.0, 40.0]]), np.array([[True, True, True]]))
    array([[10., 20., 40.]])
    """
    ours, our_counts = np.unique(values[known], return_counts=True)
    theirs, their_counts = np.unique(like[known], return_counts=True)
    our_ranks, their_ranks = (np.cumsum(counts) / counts.sum() for counts in (our_counts, their_counts))
    found: np.ndarray = np.interp(values, ours, np.interp(our_ranks, their_ranks, theirs))
    return found


def difference(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """The normalised difference |a - b| / |a + b| of ``[b, y, x]``, on average over bands: ``[y, x]``."""
    found: np.ndarray = (np.abs(first - second) / np.abs(first + second + _LEAST)).mean(axis=0)
    return found


def share_out(to_truth: np.ndarray, off_truth: np.ndarray, off_input: np.ndarray) -> tuple[float, float, float]:
    """Mean shares of improvement, omission and hallucination, of distances ``[n]`` at each pixel.

    ``to_truth``: from the input to the truth; ``off_truth`` and ``off_input``: from the result to each.
    """
    limit = np.partition(to_truth, max(0, int(QUANTILE * to_truth.size) - 1))[max(0, int(QUANTILE * to_truth.size) - 1)]
    changes = (to_truth > limit) | (off_truth > limit) | (off_input > limit)
    # where input and truth are the same and the result is not, both are infinitely far: that is hallucination
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        wrong, added = off_truth[changes] / to_truth[changes], off_input[changes] / to_truth[changes]
        late = 1 - np.exp(-SHARPNESS * (wrong + added - 1))
        scores = np.stack([wrong + added * late, added + wrong * late, np.exp(-SHARPNESS * wrong * added)])
        weights = np.exp(-scores / TEMPERATURE)
        shares = weights / weights.sum(axis=0)
    improved, omitted, invented = (_mean(share) for share in shares)
    return improved, omitted, invented


def resized(picture: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """``picture [b, y, x]`` at another height and width: linear between pixels; a wider triangle where it shrinks."""
    down, across = (_triangles(*lengths) for lengths in zip(picture.shape[1:], shape, strict=True))
    found: np.ndarray = down @ picture @ across.T
    return found


def _triangles(length_in: int, length_out: int) -> np.ndarray:
    """``[out, in]``: weights of pixels as areas, that are 1 together; what lies beyond the edge has none."""
    step = length_in / length_out
    middles = (np.arange(length_out)[:, None] + 0.5) * step
    weights = np.maximum(0, 1 - np.abs(np.arange(length_in) + 0.5 - middles) / max(1.0, step))
    return weights / weights.sum(axis=1, keepdims=True)


def _mean(values: np.ndarray) -> float:
    """Of those that are numbers; NaN where there is none."""
    numbers = values[~np.isnan(values)]
    return float(numbers.mean()) if numbers.size else float("nan")
