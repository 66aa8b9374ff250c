"""Low frequencies: a low-pass that is exactly local, and the exchange of two arrays' low bands (arXiv 2510.25818).

LP_f(x) = up(down(x)), f = 1 / cell: every cell of ``cell x cell`` pixels becomes one number by an antialiased bilinear
kernel, which reaches half a cell beyond it, and the numbers are interpolated bilinearly.

    pixels   . . . . | . . . . | . . . .
    down         o   |    o    |    o          a triangle of two cells' width round each cell's middle
    up       . . . . | . . . . | . . . .       between the two nearest middles; flat beyond the last

A box sees the canvas at most two cells beyond itself; every number is computed from the same pixels in the same order
whichever box asks for it, so boxes give the bytes of the whole canvas. A canvas that the cell does not divide goes on
to the next multiple by repeating its last row and column.

It is no projection: LP(LP(x)) is smoother than LP(x), so an exchange of low bands is a soft one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from storage.box import Box

LEAST_CELL, MOST_CELL = 2, 64


def cell_of(low_band: float) -> int:
    """1 / f in pixels, of a share f of the frequencies. Raises ValueError where that is no whole number of 2 to 64.

    >>> cell_of(0.125)
    8
    """
    cell = round(1 / low_band) if low_band > 0 else 0
    if not LEAST_CELL <= cell <= MOST_CELL or abs(cell * low_band - 1) > 1e-3:
        raise ValueError(f"low_band must be one over a whole number, 1/{LEAST_CELL} to 1/{MOST_CELL}, got {low_band}")
    return cell


def neighbourhood(canvas: Box, box: Box, cell: int) -> Box:
    """What ``low_pass`` reads for a box: at most two cells more on every side, cut at the canvas's edge.

    >>> neighbourhood(Box(top=0, left=0, height=64, width=64), Box(top=16, left=0, height=16, width=16), 8)
    Box(top=4, left=0, height=40, width=28)
    """
    rows = _Axis.of(box.top, box.bottom, canvas.height, cell).pixels
    cols = _Axis.of(box.left, box.right, canvas.width, cell).pixels
    return Box(top=rows.start, left=cols.start, height=len(rows), width=len(cols))


def low_pass(read: Callable[[Box], np.ndarray], canvas: Box, box: Box, cell: int) -> np.ndarray:
    """LP of a box: ``[c, y, x] float32``, the same bytes as that part of the whole canvas's.

    ``read`` gives ``[c, y, x]`` of any box of the canvas; it is asked once, for ``neighbourhood``.
    """
    rows = _Axis.of(box.top, box.bottom, canvas.height, cell)
    cols = _Axis.of(box.left, box.right, canvas.width, cell)
    # float64 between: a constant stays itself
    pixels = read(neighbourhood(canvas, box, cell)).astype(np.float64)
    coarse = _down(_down(pixels, rows, 1), cols, 2)
    return _up(_up(coarse, rows, 1), cols, 2).astype(np.float32)


def refine(
    read_reference: Callable[[Box], np.ndarray],
    read: Callable[[Box], np.ndarray],
    canvas: Box,
    box: Box,
    *,
    gain: float,
    cell: int,
) -> np.ndarray:
    """x + gain (LP(reference) - LP(x)) of a box: ``[c, y, x] float32``; readers as in ``low_pass``.

    LP is linear, so it is taken once, of the difference.
    """
    difference = low_pass(lambda window: read_reference(window) - read(window), canvas, box, cell)
    refined: np.ndarray = read(box) + np.float32(gain) * difference
    return refined


def mix(
    read_enlarged_latent: Callable[[Box], np.ndarray],
    read_encoded: Callable[[Box], np.ndarray],
    canvas: Box,
    box: Box,
    *,
    cell: int,
) -> np.ndarray:
    """Latent frequency mixing: ``[c, y, x] float32`` of a box, what a stage starts from and is guided towards.

    The low band is that of the enlarged latent of the stage before, the rest that of its enlarged picture, encoded.
    """
    return refine(read_enlarged_latent, read_encoded, canvas, box, gain=1.0, cell=cell)


class _Axis(NamedTuple):
    """What one axis of a box depends on."""

    box: range
    """pixels of the box"""
    cells: range
    """cells between which they are interpolated"""
    pixels: range
    """pixels that those cells see, inside the canvas"""
    length: int
    """pixels of the canvas"""
    cell: int

    @classmethod
    def of(cls, start: int, stop: int, length: int, cell: int) -> _Axis:
        num_cells = -(-length // cell)
        # pixel y lies at (y + 1/2) / cell - 1/2 among the cells' middles
        first = max(0, (2 * start + 1 - cell) // (2 * cell))
        last = min(num_cells - 1, (2 * stop - 1 - cell) // (2 * cell) + 1)
        pixels = range(max(0, first * cell - cell // 2), min(length, (last + 1) * cell + cell // 2))
        return cls(box=range(start, stop), cells=range(first, last + 1), pixels=pixels, length=length, cell=cell)


def _down(pixels: np.ndarray, axis: _Axis, dim: int) -> np.ndarray:
    """The cells' numbers along ``dim``; what a cell sees beyond the canvas does not count, repeated pixels do."""
    cell, starts = axis.cell, np.arange(axis.cells.start, axis.cells.stop) * axis.cell
    padded = -(-axis.length // cell) * cell
    shape = [1] * pixels.ndim
    shape[dim] = len(starts)
    total, weights = np.float64(0), np.zeros(shape)
    for offset in range(-(cell // 2), cell + cell // 2):
        places = starts + offset
        weight = (cell - abs(offset + 0.5 - cell / 2)) * ((places >= 0) & (places < padded)).reshape(shape)
        taken = np.take(pixels, places.clip(0, axis.length - 1) - axis.pixels.start, axis=dim)
        total = total + weight * taken
        weights += weight
    return total / weights


def _up(coarse: np.ndarray, axis: _Axis, dim: int) -> np.ndarray:
    """The box's pixels along ``dim`` from the cells' numbers."""
    places = (np.arange(axis.box.start, axis.box.stop) + 0.5) / axis.cell - 0.5
    before = np.floor(places).astype(int)
    shape = [1] * coarse.ndim
    shape[dim] = len(before)
    share = (places - before).reshape(shape)
    low, high = (
        np.take(coarse, near.clip(axis.cells.start, axis.cells.stop - 1) - axis.cells.start, axis=dim)
        for near in (before, before + 1)
    )
    return (1 - share) * low + share * high
