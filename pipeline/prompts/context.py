"""What is looked at beside a tile's own crop: wider crops round it, and crops from all over the image."""

from __future__ import annotations

from collections.abc import Callable

import torch

from pipeline.geometry.tiles import Tile, TileGrid
from storage.box import Box

LEAST_SIDE = 32
"""input pixels a side below which a crop is widened before it is tagged"""
BAND = 512
"""input rows that are read at once"""
ALL_OVER = 64
"""most tiles that speak for the whole image"""


def widen(crop: Box, level: int, source: Box) -> tuple[Box, int]:
    """The crop with 2^level times its sides, cut at the image (``source``), and by how much it is to be shrunk.

    Shrunk it is about as large as the crop, and LEAST_SIDE at least; its sides are multiples of the shrinking.

    >>> widen(Box(top=64, left=0, height=64, width=64), 1, Box(top=0, left=0, height=999, width=999))
    (Box(top=32, left=0, height=128, width=96), 2)
    """
    times = 2**level
    ys = _span(crop.top, crop.height, times, source.height)
    xs = _span(crop.left, crop.width, times, source.width)
    by = max(1, min(times, min(ys[1] - ys[0], xs[1] - xs[0]) // LEAST_SIDE))
    height, width = ((end - start) // by * by for start, end in (ys, xs))
    return Box(top=ys[0], left=xs[0], height=height, width=width), by


def _span(start: int, length: int, times: int, limit: int) -> tuple[int, int]:
    margin = length * (times - 1) // 2
    return max(0, start - margin), min(limit, start + length + margin)


def read_shrunk(read_rgb: Callable[[Box], torch.Tensor], box: Box, by: int) -> torch.Tensor:
    """The input in ``box``, clipped to [0, 1], ``by x by`` pixels as their mean: ``[3, y, x]``.

    The box's sides are multiples of ``by``. It is read in bands: the widest context of a large tile is gigabytes.
    """
    bands = []
    rows = max(1, BAND // by) * by
    for top in range(box.top, box.bottom, rows):
        band = Box(top=top, left=box.left, height=min(rows, box.bottom - top), width=box.width)
        pixels = read_rgb(band).clamp(0, 1)
        bands.append(pixels if by == 1 else torch.nn.functional.avg_pool2d(pixels[None], by)[0])
    return torch.cat(bands, dim=1)


def spread_tiles(grid: TileGrid) -> list[Tile]:
    """At most ALL_OVER tiles, evenly spread over the rows and columns of the grid, row-major.

    >>> grid = TileGrid(tile_height=1, tile_width=1, tops=tuple(range(4)), lefts=tuple(range(100)))
    >>> tiles = spread_tiles(grid)
    >>> len(tiles), [tile.col for tile in tiles[:4]]
    (64, [3, 9, 15, 21])
    """
    num_rows, num_cols = len(grid.tops), len(grid.lefts)
    side = int(ALL_OVER**0.5)
    cols = min(num_cols, ALL_OVER // min(num_rows, side))
    rows = min(num_rows, ALL_OVER // cols)
    return [
        grid.tile((2 * row + 1) * num_rows // (2 * rows), (2 * col + 1) * num_cols // (2 * cols))
        for row in range(rows)
        for col in range(cols)
    ]
