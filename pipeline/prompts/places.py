"""Prompts inside one forward pass: which of them hold where, and how much each counts there.

Several prompts of overlapping windows meet at a place. Where attention reaches over a native window at every place of a
large canvas, nothing but cross-attention reads a prompt; so there each prompt is read at the places that its window
covers, and what is read is averaged by the windows' blend weights, which add up to one. Cross-attention's own products
are about half a percent of a denoiser's work, so four prompts a place cost one or two percent more.

    window a |------------|              weights of a  1 1 1 .8 .5 .2
    window b       |------------|                   b        .2 .5 .8 1 1 1
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from pipeline.geometry.blend import axis_weight_sum, axis_window
from pipeline.geometry.tiles import Tile, TileGrid
from storage.box import Box

CPU = torch.device("cpu")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PlacedPrompt:
    """One window of a prompt. Its weights are the outer product of those along its axes."""

    prompt: int
    """row of its prompt among the distinct ones"""
    box: Box
    """the part of the window in the canvas of the forward pass, in that canvas's latent pixels"""
    along_y: np.ndarray
    """[box.height] float64"""
    along_x: np.ndarray
    """[box.width] float64"""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PromptPlaces:
    """The prompts of one canvas. The weights of all windows add up to one at every latent pixel."""

    embeddings: dict[str, torch.Tensor]
    """``text [P, T, D]`` and, where the model reads it, ``pooled [P, D']``: a row a distinct prompt"""
    height: int
    """latent pixels of the canvas along y"""
    width: int
    windows: tuple[PlacedPrompt, ...]
    """each prompt of ``embeddings`` has one at least"""
    _at: dict[tuple[Any, ...], list[tuple[torch.Tensor, torch.Tensor]]] = field(default_factory=dict, repr=False)

    def saying(self, embeddings: dict[str, torch.Tensor]) -> PromptPlaces:
        """The same places with other embeddings of their prompts."""
        return dataclasses.replace(self, embeddings=embeddings)

    def weights(
        self, height: int, width: int, device: torch.device = CPU, dtype: torch.dtype = torch.float64
    ) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """For each prompt the places where it holds, [n] int64, row-major, and its weights there, [n] of ``dtype``.

        ``height x width``: what a layer's resolution makes of the canvas, in cells of a power of two. A cell's weight
        is the mean over its latent pixels; the weights of all prompts add up to one at every cell.
        """
        key = height, width, device, dtype
        if key not in self._at:
            places = self._find(height, width)
            self._at[key] = [(where.to(device), weight.to(device, dtype)) for where, weight in places]
        return self._at[key]

    def _find(self, height: int, width: int) -> list[tuple[torch.Tensor, torch.Tensor]]:
        parts: list[list[tuple[slice, slice, np.ndarray]]] = [[] for _ in self.embeddings["text"]]
        total, places = np.zeros((height, width)), []
        for window in self.windows:
            ys, along_y = _cells(window.along_y, window.box.top, self.height, height)
            xs, along_x = _cells(window.along_x, window.box.left, self.width, width)
            parts[window.prompt].append((ys, xs, np.outer(along_y, along_x)))
            total[ys, xs] += parts[window.prompt][-1][2]
        for windows in parts:
            weights = np.zeros((height, width))
            for ys, xs, weight in windows:
                weights[ys, xs] += weight
            where = np.flatnonzero(weights)
            places.append((torch.from_numpy(where), torch.from_numpy((weights / total).ravel()[where])))
        return places

    def pooled(self) -> torch.Tensor | None:
        """[D']: the prompts' pooled embeddings, averaged over the canvas. It is added to the time, not to a place."""
        if "pooled" not in self.embeddings:
            return None
        shares = torch.zeros(len(self.embeddings["pooled"]), dtype=torch.float64)
        for window in self.windows:
            shares[window.prompt] += window.along_y.sum() * window.along_x.sum()
        shares = (shares / shares.sum()).to(self.embeddings["pooled"].dtype)
        return (shares[:, None] * self.embeddings["pooled"]).sum(0)


def _cells(along: np.ndarray, start: int, length: int, cells: int) -> tuple[slice, np.ndarray]:
    """Means over the cells of a coarser axis that weights from ``start`` on touch, and which cells these are.

    The last cell of the axis may be narrower.

    >>> _cells(np.array([1.0, 0.5]), 3, 5, 3)
    (slice(1, 3, None), array([0.5, 0.5]))
    """
    size = 1
    while -(-length // size) > cells:
        size *= 2
    first, last = start // size, -(-(start + len(along)) // size)
    padded = np.zeros((last - first) * size)
    padded[start - first * size :][: len(along)] = along
    bounds = np.minimum(np.arange(first, last + 1) * size, length)
    return slice(first, last), padded.reshape(-1, size).sum(1) / np.diff(bounds)


def place_prompts(
    grid: TileGrid, canvas: Box, blend: str, window: Box, row_of: Callable[[Tile], int], rows: dict[str, torch.Tensor]
) -> PromptPlaces:
    """The prompts over ``window`` of a canvas whose prompts' own windows are ``grid``, weighed by ``blend``.

    ``row_of`` gives the row of a window's prompt in ``rows``, the embeddings by the names of Conditioning's fields. All
    of ``canvas``, ``window`` and ``grid`` are in latent pixels.
    """
    along_y = _shares(blend, grid.tile_height, grid.tops, canvas.height)
    along_x = _shares(blend, grid.tile_width, grid.lefts, canvas.width)
    windows = []
    for tile in grid.touching(window):
        overlap = tile.box.intersection(window)
        assert overlap is not None
        ys, xs = overlap.within(tile.box)
        box = Box(
            top=overlap.top - window.top, left=overlap.left - window.left, height=overlap.height, width=overlap.width
        )
        windows.append(
            PlacedPrompt(prompt=row_of(tile), box=box, along_y=along_y[tile.row][ys], along_x=along_x[tile.col][xs])
        )
    return PromptPlaces(embeddings=rows, height=window.height, width=window.width, windows=tuple(windows))


def _shares(blend: str, tile: int, offsets: tuple[int, ...], length: int) -> list[np.ndarray]:
    """Along one axis the weights of each window, of all windows' together: they add up to one."""
    total, window = axis_weight_sum(blend, tile, offsets, length), axis_window(blend, tile).astype(np.float64)
    return [window / total[offset : offset + tile] for offset in offsets]
