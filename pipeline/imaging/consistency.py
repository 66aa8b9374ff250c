"""Agreement with the input: what is shrunk again is what was enlarged.

The result ``x`` of an input ``y`` is moved to ``x + up(y - down(x))`` (iterative back-projection, Irani and Peleg
1991), ``down`` the mean over the square of each input pixel, as a sensor's element has it, or that of a wider point
spread, ``up`` bicubic. What is left after some turns is spread evenly over each square: then ``down(x) = y`` to the
last digit. Where ``y`` is no data, nothing is moved.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch.nn import functional

from .pixels import CUBIC_REACH

TURNS = 2
"""of bicubic back-projection"""
SPREAD_TURNS = 6
"""of it with a point spread, where nothing makes up for what is left"""
_CLIPPED_TURNS = 4
"""of sharing out among the other pixels of a square what clipping took away"""


def reach(point_spread: float = 0.0) -> int:
    """Input pixels round a pixel that its correction depends on."""
    turns = SPREAD_TURNS if point_spread else TURNS
    return turns * (CUBIC_REACH + _spread_reach(point_spread))


def agree(values: np.ndarray, low: np.ndarray, known: np.ndarray | None, scale: int, spread: float = 0.0) -> np.ndarray:
    """``values [b, h * scale, w * scale]`` made to agree with ``low [b, h, w]``, both float64.

    ``known``: bool ``[b or 1, h, w]``, where ``low`` is data; None for everywhere. ``spread``: standard deviation of
    the sensor's point spread in input pixels; 0 for the mean over a pixel's square.
    """
    for _ in range(SPREAD_TURNS if spread else TURNS):
        values = values + enlarged(_missing(values, low, known, scale, spread), scale)
    return values if spread else values + repeat(_missing(values, low, known, scale), scale)


def clipped(
    values: np.ndarray, low: np.ndarray, known: np.ndarray | None, scale: int, limits: tuple[float, float]
) -> np.ndarray:
    """``values`` within ``limits``, their squares' means still those of ``low`` where that can be."""
    for _ in range(_CLIPPED_TURNS):
        values = np.clip(values, *limits)
        missing = _missing(values, low, known, scale)
        wanted = repeat(missing, scale)
        is_free = np.where(wanted > 0, values < limits[1], values > limits[0])
        share = is_free.reshape(*_squares(values.shape, scale)).mean(axis=(2, 4))
        values = values + np.where(is_free, repeat(missing / np.maximum(share, 1 / scale**2), scale), 0.0)
    found: np.ndarray = np.clip(values, *limits)
    return found


def rounded(values: np.ndarray, scale: int) -> np.ndarray:
    """Whole numbers, up or down from ``values [b, h * scale, w * scale]``, so that each square's sum is the nearest.

    Of a square's pixels those with the largest fractions go up, as many as the sum of all fractions says.
    """
    whole = np.floor(values)
    for band in range(len(values)):
        fractions = (values[band] - whole[band]).reshape(_squares(values.shape[1:], scale)).swapaxes(1, 2)
        flat = fractions.reshape(-1, scale * scale)
        order = np.argsort(-flat, axis=1, kind="stable")
        ranks = np.empty_like(order)
        np.put_along_axis(ranks, order, np.arange(scale * scale)[None], axis=1)
        up = ranks < np.rint(flat.sum(axis=1, keepdims=True))
        whole[band] += up.reshape(fractions.shape).swapaxes(1, 2).reshape(values.shape[1:])
    return whole


def shrunk(values: np.ndarray, scale: int) -> np.ndarray:
    """The mean of each square: ``[b, h, w]`` of ``[b, h * scale, w * scale]``."""
    found: np.ndarray = values.reshape(_squares(values.shape, scale)).mean(axis=(-3, -1))
    return found


def repeat(values: np.ndarray, scale: int) -> np.ndarray:
    """Each pixel as a square: ``[b, h * scale, w * scale]`` of ``[b, h, w]``."""
    return values.repeat(scale, axis=-2).repeat(scale, axis=-1)


def enlarged(values: np.ndarray, scale: int) -> np.ndarray:
    """Bicubic, pixel-area convention, the edges repeated: ``[b, h * scale, w * scale]`` of ``[b, h, w]`` float64."""
    found: np.ndarray = functional.interpolate(
        torch.from_numpy(np.ascontiguousarray(values))[None],
        scale_factor=float(scale),
        mode="bicubic",
        align_corners=False,
    )[0].numpy()
    return found


def _missing(
    values: np.ndarray, low: np.ndarray, known: np.ndarray | None, scale: int, spread: float = 0.0
) -> np.ndarray:
    seen = shrunk(_blurred(values, spread * scale) if spread else values, scale)
    return low - seen if known is None else np.where(known, low - seen, 0.0)


def _blurred(values: np.ndarray, deviation: float) -> np.ndarray:
    """Under a Gaussian of ``deviation`` pixels, the edges repeated."""
    half = math.ceil(3 * deviation)
    taps = torch.exp(-0.5 * (torch.arange(-half, half + 1, dtype=torch.float64) / deviation) ** 2)
    taps = taps / taps.sum()
    planes = torch.from_numpy(np.ascontiguousarray(values))[:, None]
    for kernel, pad in ((taps.view(1, 1, -1, 1), (0, 0, half, half)), (taps.view(1, 1, 1, -1), (half, half, 0, 0))):
        planes = functional.conv2d(functional.pad(planes, pad, mode="replicate"), kernel)
    found: np.ndarray = planes[:, 0].numpy()
    return found


def _spread_reach(spread: float) -> int:
    return math.ceil(3 * spread) if spread else 0


def _squares(shape: tuple[int, ...], scale: int) -> tuple[int, ...]:
    return (*shape[:-2], shape[-2] // scale, scale, shape[-1] // scale, scale)
