"""Blend windows: how much a tile's prediction counts at each of its latent pixels.

Every window is the outer product of two one-dimensional ones, so the sum of all weights over the canvas is an outer
product too and is known from the plan, without adding up tiles.
"""

from __future__ import annotations

import math

import numpy as np

from storage.box import Box

from .tiles import TileGrid

WINDOWS = ("uniform", "cosine", "gaussian")


def axis_window(name: str, length: int) -> np.ndarray:
    """Weights along one axis of a tile: ``[length] float32``, symmetric, positive, largest in the middle.

    ``uniform`` counts every tile alike (MultiDiffusion, equation 5 with W = 1); ``cosine`` is
    cos(pi (x - m) / length); ``gaussian`` has sigma = length / 10 about the true middle m = (length - 1) / 2
    (Mixture of Diffusers, arXiv 2302.02412, whose own code is half a pixel off in y).

    >>> [f"{weight:.3f}" for weight in axis_window("cosine", 4)]
    ['0.383', '0.924', '0.924', '0.383']
    """
    middle = (length - 1) / 2
    offsets = [x - middle for x in range(length)]
    if name == "uniform":
        weights = [1.0] * length
    elif name == "cosine":
        weights = [math.cos(math.pi * x / length) for x in offsets]
    elif name == "gaussian":
        weights = [math.exp(-0.5 * (x / (0.1 * length)) ** 2) for x in offsets]
    else:
        raise ValueError(f"a blend window is one of {', '.join(WINDOWS)}, got {name!r}")
    return np.asarray(weights, dtype=np.float32)


def tile_weight(name: str, height: int, width: int) -> np.ndarray:
    """The weight of a whole tile: ``[height, width] float32``."""
    return np.outer(axis_window(name, height), axis_window(name, width)).astype(np.float32)


def axis_weight_sum(name: str, tile: int, offsets: tuple[int, ...], length: int) -> np.ndarray:
    """Sum of one axis's windows over the canvas: ``[length] float64``, positive everywhere."""
    total = np.zeros(length, dtype=np.float64)
    window = axis_window(name, tile).astype(np.float64)
    for offset in offsets:
        total[offset : offset + tile] += window
    return total


def weight_sum(name: str, grid: TileGrid, canvas: Box, box: Box) -> np.ndarray:
    """Sum of all tiles' weights over ``box``: ``[box.height, box.width] float32``."""
    along_y = axis_weight_sum(name, grid.tile_height, grid.tops, canvas.height)[box.top : box.bottom]
    along_x = axis_weight_sum(name, grid.tile_width, grid.lefts, canvas.width)[box.left : box.right]
    return np.outer(along_y, along_x).astype(np.float32)
