"""A small copy of a canvas that is too large to be seen at once: blocks cut out of it evenly and set side by side.

A region's share holds the pixels that are taken of it, its moments and its extremes. The copy gets the canvas's mean
and deviation, a channel each, and stays between the canvas's extremes, as in Tiled VAE's fast mode. That takes single
pixels; blocks keep how neighbours go together, which convolutions answer to and so the norms behind them. Averages
would lose it too, and single pixels fall in with whatever repeats at their distance (benchmarks/codec_norm.py).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch

from storage.box import Box, RegionGrid

from .moments import from_vector, join, moments

LEAST_SIDE = 8
"""pixels of the copy's shorter side, at least, where the canvas has them: a strip is shrunk along its length only"""
BLOCK = 4
"""units a side of a block"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shrink:
    """How a canvas of ``channels`` is shrunk; everything in its own pixels."""

    channels: int
    grid: RegionGrid
    height: int
    """pixels of the copy along y"""
    width: int
    unit: int = 1
    """pixels a side that stay together, and all four sides are multiples of: those under one latent pixel"""

    @property
    def rows(self) -> np.ndarray:
        """The canvas's rows that are taken, in rising order."""
        return _taken(self.grid.height, self.height, self.unit)

    @property
    def cols(self) -> np.ndarray:
        return _taken(self.grid.width, self.width, self.unit)

    @property
    def most(self) -> tuple[int, int]:
        """Rows and columns that are taken of a region, at most."""
        side = self.grid.side
        return _most(self.rows, side), _most(self.cols, side)

    @property
    def share_length(self) -> int:
        rows, cols = self.most
        return self.channels * (rows * cols + 3) + 2

    def share(self, region: int, parts: Iterable[tuple[Box, np.ndarray]]) -> np.ndarray:
        """[share_length]: of ``parts``, boxes that make up the region with their values ``[c, y, x]``."""
        box = self.grid.box(region)
        rows, cols = _inside(self.rows, box.top, box.bottom), _inside(self.cols, box.left, box.right)
        taken = np.zeros((self.channels, *self.most))
        sums, low, high = [], np.inf, -np.inf
        for window, values in parts:
            ys, xs = _inside(self.rows, window.top, window.bottom), _inside(self.cols, window.left, window.right)
            picked = values[:, self.rows[ys] - window.top][:, :, self.cols[xs] - window.left]
            row, col = ys.start - rows.start, xs.start - cols.start
            taken[:, row : row + picked.shape[1], col : col + picked.shape[2]] = picked
            sums.append(moments(torch.from_numpy(np.ascontiguousarray(values))))
            low, high = min(low, float(values.min())), max(high, float(values.max()))
        return np.concatenate([taken.ravel(), join(sums).to_vector(), [low, high]])

    def assemble(self, shares: np.ndarray) -> torch.Tensor:
        """The copy ``[c, y, x] float32`` from all regions' ``shares [regions, share_length]``."""
        copy = np.empty((self.channels, self.height, self.width))
        most = self.most
        for region, share in enumerate(shares):
            box = self.grid.box(region)
            rows, cols = _inside(self.rows, box.top, box.bottom), _inside(self.cols, box.left, box.right)
            taken = share[: self.channels * most[0] * most[1]].reshape(self.channels, *most)
            copy[:, rows, cols] = taken[:, : rows.stop - rows.start, : cols.stop - cols.start]
        if copy[0].size < self.grid.height * self.grid.width:
            copy = self._restored(copy, shares[:, -3 * self.channels - 2 :])
        return torch.from_numpy(copy.astype(np.float32))

    def _restored(self, copy: np.ndarray, figures: np.ndarray) -> np.ndarray:
        """The copy with the canvas's means and deviations, between its extremes."""
        whole = join(from_vector(row[:-2]) for row in figures)
        mean, deviation = copy.mean((1, 2), keepdims=True), copy.std((1, 2), keepdims=True)
        wanted = np.sqrt(whole.variance())[:, None, None]
        # an even copy has nothing to stretch
        stretch = np.divide(wanted, deviation, out=np.ones_like(wanted), where=deviation > 1e-6)
        stretched = (copy - mean) * stretch + whole.mean[:, None, None]
        clipped: np.ndarray = np.clip(stretched, figures[:, -2].min(), figures[:, -1].max())
        return clipped


def shrunk_size(height: int, width: int, most: int) -> tuple[int, int]:
    """Height and width of a copy of ``most`` units a side, in whole blocks where it is smaller than the canvas.

    >>> shrunk_size(64, 50, 64), shrunk_size(1000, 150, 64), shrunk_size(40, 6400, 64), shrunk_size(5, 90, 64)
    ((64, 50), (64, 8), (8, 64), (5, 64))
    """
    longest = max(height, width)
    if longest <= most:
        return height, width
    sides = (max(side * most // longest // BLOCK * BLOCK, min(side, LEAST_SIDE)) for side in (height, width))
    return next(sides), next(sides)


def _taken(length: int, count: int, unit: int) -> np.ndarray:
    """Which ``count`` of ``length`` pixels: blocks under the middles of equal parts, or all where it is as many."""
    units, num = length // unit, count // unit
    block = num if num == units else math.gcd(num, BLOCK)
    parts = num // block
    starts = ((2 * np.arange(parts) + 1) * units - num) // (2 * parts)
    within: np.ndarray = starts[:, None] * unit + np.arange(block * unit)
    return within.ravel()


def _inside(taken: np.ndarray, start: int, stop: int) -> slice:
    """Places in ``taken`` of those from ``start`` up to ``stop``."""
    first, last = np.searchsorted(taken, [start, stop])
    return slice(int(first), int(last))


def _most(taken: np.ndarray, side: int) -> int:
    """How many of them lie in one region of ``side``, at most."""
    return int(np.bincount(taken // side).max())
