"""A small copy of a canvas that is too large to be seen at once: some of its pixels, taken evenly, region by region.

A region's share holds the pixels that are taken of it, its moments and its extremes. The copy gets the canvas's mean
and deviation, a channel each, and stays between the canvas's extremes: what Tiled VAE's fast mode does before it takes
statistics from a small copy. Pixels are taken and not averaged, because averages lose what changes from pixel to
pixel, which group norms measure.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch

from storage.box import Box, RegionGrid

from .moments import from_vector, join, moments

LEAST_SIDE = 8
"""pixels of the copy's shorter side, at least, where the canvas has them: a strip is shrunk along its length only"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shrink:
    """How a canvas of ``channels`` is shrunk; everything in its own pixels."""

    channels: int
    grid: RegionGrid
    height: int
    """pixels of the copy along y"""
    width: int

    @property
    def rows(self) -> np.ndarray:
        """The canvas's rows that are taken: those under the middles of the copy's."""
        return _taken(self.grid.height, self.height)

    @property
    def cols(self) -> np.ndarray:
        return _taken(self.grid.width, self.width)

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
        seen, low, high = [], np.inf, -np.inf
        for part, values in parts:
            ys, xs = _inside(self.rows, part.top, part.bottom), _inside(self.cols, part.left, part.right)
            found = values[:, self.rows[ys] - part.top][:, :, self.cols[xs] - part.left]
            row, col = ys.start - rows.start, xs.start - cols.start
            taken[:, row : row + found.shape[1], col : col + found.shape[2]] = found
            seen.append(moments(torch.from_numpy(np.ascontiguousarray(values))))
            low, high = min(low, float(values.min())), max(high, float(values.max()))
        return np.concatenate([taken.ravel(), join(seen).to_vector(), [low, high]])

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
    """Height and width of a copy of ``most`` pixels a side.

    >>> shrunk_size(64, 64, 64), shrunk_size(1000, 130, 64), shrunk_size(40, 6400, 64)
    ((64, 64), (64, 8), (8, 64))
    """
    longest = max(height, width, most)
    sides = (max(side * most // longest, min(side, LEAST_SIDE)) for side in (height, width))
    return next(sides), next(sides)


def _taken(length: int, count: int) -> np.ndarray:
    """Which of ``length`` pixels lie under the middles of ``count``: torch's nearest-exact."""
    return (2 * np.arange(count) + 1) * length // (2 * count)


def _inside(taken: np.ndarray, start: int, stop: int) -> slice:
    """Places in ``taken`` of those from ``start`` up to ``stop``."""
    first, last = np.searchsorted(taken, [start, stop])
    return slice(int(first), int(last))


def _most(taken: np.ndarray, side: int) -> int:
    """How many of them lie in one region of ``side``, at most."""
    return int(np.bincount(taken // side).max())
