"""Canny edges of a picture of any size, region by region, with the pixels that the whole picture has (Canny 1986).

OpenCV's convention, as AccDiffusion v2 draws edges for its ControlNet (arXiv 2412.02099): Sobel of 3 x 3, of each pixel
the colour of the largest |dx| + |dy|, thresholds from the median of all values.

    histogram(r)                                  -> counts(r)      sums of integers: exact
    thresholds(sum of counts)                     -> low, high
    candidates(r)     pixels of r and REACH more  -> marks(r)       none, weak or strong
    rim(marks(r))     marks on r's outer ring     -> rim(r)
    join(rims)        of all regions              -> lit(r)         which of them hang together with a strong one
    settle(marks(r), lit(r))                      -> edges(r)

A weak mark is an edge where a chain of marks leads to a strong one, however far away. Chains leave a region through its
outer ring only, so it is enough to join the rings: no approximation remains. What crosses regions is numbers: 256 of
each for the median, and two of each of its ring's pixels for the chains.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence

import numpy as np
from skimage.measure import label

from storage.box import Box, RegionGrid

REACH = 2
"""pixels round a box that its marks depend on: Sobel sees one, and its larger neighbours one more"""
PART = 512
"""pixels a side of what marks are found in at once: colours and gradients take some 100 bytes a pixel"""
LEVELS = 256
NONE, WEAK, STRONG = 0, 1, 2
TANGENT = 13573
"""tan 22.5 degrees in units of 2^-15: gradients nearer to an axis have their neighbours along it"""


def histogram(pixels: np.ndarray) -> np.ndarray:
    """How often each value occurs: ``[256] int64`` of uint8 ``[c, y, x]``; regions' histograms add up."""
    return np.bincount(pixels.ravel(), minlength=LEVELS)


def median(counts: np.ndarray) -> float:
    """The median of the values that a histogram counts; the mean of the middle two where their number is even.

    >>> median(np.bincount([1, 5, 6, 200], minlength=256))
    5.5
    """
    last = np.cumsum(counts)
    total = int(last[-1])
    low, high = (int(np.searchsorted(last, place, side="right")) for place in ((total - 1) // 2, total // 2))
    return (low + high) / 2


def thresholds(counts: np.ndarray, share: float = 0.3) -> tuple[int, int]:
    """Gradients above which a pixel is a weak and a strong mark: the median less and more its ``share``, 0 to 255."""
    middle = median(counts)
    return math.floor(max(0.0, (1 - share) * middle)), math.floor(min(255.0, (1 + share) * middle))


def candidates(read: Callable[[Box], np.ndarray], canvas: Box, box: Box, low: int, high: int) -> np.ndarray:
    """Marks of a box, ``[y, x] uint8``: NONE, WEAK or STRONG. The same as that part of the whole canvas's.

    ``read`` gives uint8 ``[c, y, x]`` of any box of the canvas; it is asked once, for the box grown by ``REACH``.
    Beyond the canvas pixels repeat, and there is no gradient.
    """
    padded, near = box.grown(REACH, canvas), box.grown(1, canvas)
    dx, dy = _gradient(_around(read(padded), padded, near, mode="edge"))
    size = np.abs(dx) + np.abs(dy)
    strongest = size.argmax(axis=0)[None]
    dx, dy, size = (np.take_along_axis(one, strongest, axis=0)[0] for one in (dx, dy, size))
    ys, xs = box.within(near)
    marks = _crests(dx[ys, xs], dy[ys, xs], _around(size, near, box, mode="constant"))
    here = size[ys, xs]
    return np.where(marks & (here > low), np.where(here > high, STRONG, WEAK), NONE).astype(np.uint8)


def find_marks(read: Callable[[Box], np.ndarray], grid: RegionGrid, region: int, low: int, high: int) -> np.ndarray:
    """Marks of a region, as ``candidates`` gives them, with little memory; ``read`` is asked once."""
    box = grid.box(region)
    padded = box.grown(REACH, grid.canvas)
    pixels = read(padded)
    parts = RegionGrid(height=box.height, width=box.width, side=PART)
    marks = np.empty(box.shape, dtype=np.uint8)
    for number in range(parts.num_regions):
        square = parts.box(number)
        moved = dataclasses.replace(square, top=square.top + box.top, left=square.left + box.left)
        marks[square.slices] = candidates(
            lambda wanted: pixels[:, *wanted.within(padded)], grid.canvas, moved, low, high
        )
    return marks


def _around(values: np.ndarray, have: Box, box: Box, *, mode: str) -> np.ndarray:
    """[..., y, x] of a box and one pixel round it, of ``have``; what that lacks at the canvas's edge by ``mode``."""
    sides = [(box.top - have.top, have.bottom - box.bottom), (box.left - have.left, have.right - box.right)]
    padding = [(0, 0)] * (values.ndim - 2) + [(max(0, 1 - a), max(0, 1 - b)) for a, b in sides]
    cut = [slice(max(0, a - 1), size - max(0, b - 1)) for (a, b), size in zip(sides, values.shape[-2:], strict=True)]
    padded: np.ndarray = np.pad(values[..., cut[0], cut[1]], padding, mode=mode)  # type: ignore[call-overload]
    return padded


def _gradient(pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sobel's dx and dy ``[c, y, x] int32`` of pixels with one more on every side."""
    values = pixels.astype(np.int32)
    slope_x, slope_y = values[:, :, 2:] - values[:, :, :-2], values[:, 2:] - values[:, :-2]
    dx = slope_x[:, :-2] + 2 * slope_x[:, 1:-1] + slope_x[:, 2:]
    dy = slope_y[:, :, :-2] + 2 * slope_y[:, :, 1:-1] + slope_y[:, :, 2:]
    return dx, dy


def _crests(dx: np.ndarray, dy: np.ndarray, size: np.ndarray) -> np.ndarray:
    """Where the gradient is larger than before and not smaller than behind it, along its own direction.

    dx, dy: [y, x]; size: with one pixel more on every side. Along the diagonals it must be larger than both.
    """
    here = size[1:-1, 1:-1]

    def beside(y: int, x: int) -> np.ndarray:
        return size[1 + y : size.shape[0] - 1 + y, 1 + x : size.shape[1] - 1 + x]

    along, across = np.abs(dx).astype(np.int64), np.abs(dy).astype(np.int64) << 15
    flat = across < along * TANGENT
    steep = across > along * TANGENT + (along << 16)
    falling = (dx ^ dy) < 0
    diagonal = np.where(
        falling, (here > beside(-1, 1)) & (here > beside(1, -1)), (here > beside(-1, -1)) & (here > beside(1, 1))
    )
    upright = np.where(steep, (here > beside(-1, 0)) & (here >= beside(1, 0)), diagonal)
    crests: np.ndarray = np.where(flat, (here > beside(0, -1)) & (here >= beside(0, 1)), upright)
    return crests


# -- chains of marks across regions ----------------------------------------------------------------------------------


def ring(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of the outermost pixels of a region, in row-major order."""
    outer = np.ones((height, width), dtype=bool)
    outer[1:-1, 1:-1] = False
    rows, cols = np.nonzero(outer)
    return rows, cols


def rim(marks: np.ndarray) -> np.ndarray:
    """What a region tells of its ring: ``[ring pixels, 2] int32``: the chain's number, 0 for none; whether it is lit.

    Chains are numbered from 1 in the region, in row-major order of their first marks.
    """
    chains, lit = _chains(marks)
    on_ring = chains[ring(*marks.shape)]
    return np.stack([on_ring, lit[on_ring]], axis=1).astype(np.int32)


def join(rims: Sequence[np.ndarray], grid: RegionGrid) -> list[np.ndarray]:
    """Of each region's ring, in its order, which pixels belong to a chain that is lit anywhere: ``[ring pixels] bool``.

    ``rims``: of all regions, in region order.
    """
    firsts = np.cumsum([0, *(int(chains[:, 0].max(initial=0)) for chains in rims)])
    rows, cols, names, lit = [], [], [], np.zeros(firsts[-1] + 1, dtype=bool)
    for region, chains in enumerate(rims):
        box = grid.box(region)
        on, (ys, xs) = chains[:, 0] > 0, ring(*box.shape)
        rows.append(ys[on] + box.top)
        cols.append(xs[on] + box.left)
        names.append(chains[on, 0] + firsts[region])
        lit[names[-1]] |= chains[on, 1] > 0
    first, second = _touching(np.concatenate(rows), np.concatenate(cols), np.concatenate(names), grid.width)
    root = _roots(len(lit), first, second)
    bright = np.zeros(len(lit), dtype=bool)
    bright[root[lit]] = True
    joined = []
    for region, chains in enumerate(rims):
        on = chains[:, 0] > 0
        joined.append(on & bright[root[np.where(on, chains[:, 0] + firsts[region], 0)]])
    return joined


def _touching(rows: np.ndarray, cols: np.ndarray, names: np.ndarray, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of names whose marks lie side by side or corner to corner, as two arrays."""
    # two pixels of margin on the right: a place and its neighbours differ by the same numbers everywhere
    places = rows.astype(np.int64) * (width + 2) + cols
    order = np.argsort(places)
    places, names = places[order], names[order]
    pairs = [(names[:0], names[:0])]
    for step in (1, width + 1, width + 2, width + 3):
        touching = np.isin(places + step, places)
        at = np.searchsorted(places, places[touching] + step)
        pairs.append((names[touching], names[at]))
    first, second = (np.concatenate(side) for side in zip(*pairs, strict=True))
    return first, second


def _roots(count: int, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """[count]: of each name the least one that it hangs together with, through any number of pairs."""
    root = np.arange(count)
    while (root[first] != root[second]).any():
        ends = root[first], root[second]
        least = np.minimum(*ends)
        for end in ends:
            np.minimum.at(root, end, least)
        while (root != root[root]).any():
            root = root[root]
    return root


def settle(marks: np.ndarray, lit: np.ndarray) -> np.ndarray:
    """The edges of a region, ``[y, x] bool``: marks of chains with a strong one here, or ``lit`` beyond its ring."""
    chains, bright = _chains(marks)
    bright[chains[ring(*marks.shape)][lit]] = True
    bright[0] = False
    return bright[chains]


def _chains(marks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The number of each mark's chain, [y, x], 0 for none; and by number whether it has a strong mark."""
    chains = label(marks > NONE, connectivity=2)
    lit = np.zeros(int(chains.max()) + 1, dtype=bool)
    lit[chains[marks == STRONG]] = True
    return chains, lit


def edges(pixels: np.ndarray, low: int, high: int) -> np.ndarray:
    """Edges of a whole picture at once: ``[y, x] bool`` of uint8 ``[c, y, x]``."""
    canvas = Box(top=0, left=0, height=pixels.shape[1], width=pixels.shape[2])
    marks = candidates(lambda box: pixels[:, *box.slices], canvas, canvas, low, high)
    return settle(marks, rim(marks)[:, 1] > 0)
