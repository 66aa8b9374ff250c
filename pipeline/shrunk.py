"""A small copy of a canvas that is too large to be seen at once: blocks of pixels averaged, region by region.

A region's share holds the float64 sums of the blocks (or parts of blocks) that it covers, its moments and its extremes.
The copy gets back the canvas's mean and deviation, which averaging lowers, and stays between its extremes: what Tiled
VAE's fast mode does before it takes statistics from a small copy.
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
    step_y: int
    """pixels of the canvas along y that become one"""
    step_x: int

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of the copy."""
        return -(-self.grid.height // self.step_y), -(-self.grid.width // self.step_x)

    @property
    def blocks(self) -> tuple[int, int]:
        """Blocks along y and along x that a region can touch, at most."""
        side_y, side_x = min(self.grid.side, self.grid.height), min(self.grid.side, self.grid.width)
        return (side_y - 2) // self.step_y + 2, (side_x - 2) // self.step_x + 2

    @property
    def share_length(self) -> int:
        rows, cols = self.blocks
        return self.channels * (rows * cols + 5)

    def share(self, region: int, parts: Iterable[tuple[Box, np.ndarray]]) -> np.ndarray:
        """[share_length]: of ``parts``, boxes that make up the region with their values ``[c, y, x]``."""
        first_row, first_col = self._first(region)
        sums = np.zeros((self.channels, *self.blocks))
        seen, low, high = [], np.full(self.channels, np.inf), np.full(self.channels, -np.inf)
        for box, values in parts:
            row, starts_y = _blocks(box.top, box.bottom, self.step_y)
            col, starts_x = _blocks(box.left, box.right, self.step_x)
            part = np.add.reduceat(values.astype(np.float64), starts_y, axis=1)
            part = np.add.reduceat(part, starts_x, axis=2)
            row, col = row - first_row, col - first_col
            sums[:, row : row + part.shape[1], col : col + part.shape[2]] += part
            seen.append(moments(torch.from_numpy(np.ascontiguousarray(values))))
            low, high = np.minimum(low, values.min((1, 2))), np.maximum(high, values.max((1, 2)))
        return np.concatenate([sums.ravel(), join(seen).to_vector(), low, high])

    def assemble(self, shares: np.ndarray) -> torch.Tensor:
        """The copy ``[c, y, x] float32`` from all regions' ``shares [regions, share_length]``."""
        rows, cols = self.shape
        blocks_y, blocks_x = self.blocks
        # a region's blocks may reach beyond the copy, where they hold nothing
        sums = np.zeros((self.channels, rows + blocks_y, cols + blocks_x))
        for region, share in enumerate(shares):
            row, col = self._first(region)
            own = share[: self.channels * blocks_y * blocks_x].reshape(self.channels, blocks_y, blocks_x)
            sums[:, row : row + blocks_y, col : col + blocks_x] += own
        counts = np.outer(_counts(self.grid.height, self.step_y), _counts(self.grid.width, self.step_x))
        copy = sums[:, :rows, :cols] / counts
        if self.step_y * self.step_x > 1:
            copy = self._restored(copy, shares[:, -5 * self.channels :])
        return torch.from_numpy(copy.astype(np.float32))

    def _restored(self, copy: np.ndarray, figures: np.ndarray) -> np.ndarray:
        """The copy with the canvas's mean and deviation, between its extremes."""
        whole = join(from_vector(row[: 3 * self.channels]) for row in figures)
        low, high = figures[:, -2 * self.channels : -self.channels].min(0), figures[:, -self.channels :].max(0)
        mean, deviation = copy.mean((1, 2), keepdims=True), copy.std((1, 2), keepdims=True)
        wanted = np.sqrt(whole.variance())[:, None, None]
        # an even copy has nothing to stretch
        stretch = np.divide(wanted, deviation, out=np.ones_like(wanted), where=deviation > 1e-6)
        stretched = (copy - mean) * stretch + whole.mean[:, None, None]
        clipped: np.ndarray = np.clip(stretched, low[:, None, None], high[:, None, None])
        return clipped

    def _first(self, region: int) -> tuple[int, int]:
        """Row and column of the first block that a region touches."""
        box = self.grid.box(region)
        return box.top // self.step_y, box.left // self.step_x


def shrink_steps(height: int, width: int, most: int) -> tuple[int, int]:
    """Steps along y and x for a copy of ``most`` pixels a side.

    >>> shrink_steps(64, 64, 64), shrink_steps(1000, 130, 64), shrink_steps(40, 6400, 64)
    ((1, 1), (16, 16), (5, 100))
    """
    step = -(-max(height, width) // most)
    return min(step, max(1, height // LEAST_SIDE)), min(step, max(1, width // LEAST_SIDE))


def _blocks(start: int, stop: int, step: int) -> tuple[int, np.ndarray]:
    """The first block that [start, stop) touches, and where it and the next ones begin in it."""
    first = start // step
    begins = np.arange(first, (stop - 1) // step + 1) * step - start
    return first, begins.clip(min=0)


def _counts(length: int, step: int) -> np.ndarray:
    """Pixels in each block; the last one may be cut."""
    begins = np.arange(0, length, step)
    return np.minimum(begins + step, length).astype(np.float64) - begins
