"""The tile grid: which windows of the latent canvas the backbone sees, and which region owns each.

Tiles are spread evenly from the first latent pixel to the last, so every size is covered, no tile is a sliver and no
strip is left at zero (the defect of fixed strides: shared window grids end before the canvas does).

    offset 0      offset k        offset L - tile
    |--- tile ---|
           |--- tile ---|
                  |--- tile ---|
    0                          L
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass
from itertools import product

from storage.box import Box, RegionGrid


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """One window that the backbone sees, in latent pixels, with its place in the grid."""

    row: int
    col: int
    box: Box


def spread_offsets(length: int, tile: int, stride: int) -> tuple[int, ...]:
    """Evenly spread offsets of windows of ``tile`` latent pixels that cover ``[0, length)``.

    Neighbours are at most ``stride`` apart. Even spread as in Tiled Diffusion; it is the fixed-stride grid of
    MultiDiffusion (arXiv 2302.08113, section 4) whenever that grid reaches the last pixel.

    >>> spread_offsets(96, 64, 8)
    (0, 8, 16, 24, 32)
    >>> spread_offsets(100, 64, 32)
    (0, 18, 36)
    >>> spread_offsets(64, 64, 32)
    (0,)
    """
    if not 0 < tile <= length:
        raise ValueError(f"a tile must be between 1 and the canvas's {length} latent pixels, got {tile}")
    if not 0 < stride <= tile:
        raise ValueError(f"a stride must be between 1 and the tile's {tile} latent pixels, got {stride}")
    if length == tile:
        return (0,)
    num_tiles = -(-(length - tile) // stride) + 1
    # integer rounding half up: floats would tie the grid to a platform
    return tuple((2 * k * (length - tile) + num_tiles - 1) // (2 * (num_tiles - 1)) for k in range(num_tiles))


@dataclass(frozen=True, slots=True, kw_only=True)
class TileGrid:
    """The product of two rows of offsets: every tile has the same height and width."""

    tile_height: int
    """latent pixels along y"""
    tile_width: int
    """latent pixels along x"""
    tops: tuple[int, ...]
    """offsets along y, increasing"""
    lefts: tuple[int, ...]
    """offsets along x, increasing"""

    @property
    def num_tiles(self) -> int:
        return len(self.tops) * len(self.lefts)

    def tile(self, row: int, col: int) -> Tile:
        box = Box(top=self.tops[row], left=self.lefts[col], height=self.tile_height, width=self.tile_width)
        return Tile(row=row, col=col, box=box)

    def owned_by(self, region: Box) -> list[Tile]:
        """Tiles whose top-left corner lies in ``region``, row-major: the ones this region denoises."""
        rows = _between(self.tops, region.top, region.bottom)
        cols = _between(self.lefts, region.left, region.right)
        return [self.tile(row, col) for row in rows for col in cols]

    def touching(self, box: Box) -> list[Tile]:
        """Tiles that share a pixel with ``box``, row-major."""
        rows = _between(self.tops, box.top - self.tile_height + 1, box.bottom)
        cols = _between(self.lefts, box.left - self.tile_width + 1, box.right)
        return [self.tile(row, col) for row in rows for col in cols]

    def num_owned(self, regions: RegionGrid) -> Counter[int]:
        """How many regions own how many tiles: counted along the axes, not region by region.

        >>> plan_tiles(96, 64, window=32, stride=32).num_owned(RegionGrid(height=96, width=64, side=64))
        Counter({4: 1, 2: 1})
        """
        rows, cols = (
            Counter(len(_between(offsets, start, start + regions.side)) for start in range(0, length, regions.side))
            for offsets, length in ((self.tops, regions.height), (self.lefts, regions.width))
        )
        counts = Counter[int]()
        for (down, num_rows), (across, num_cols) in product(rows.items(), cols.items()):
            counts[down * across] += num_rows * num_cols
        return counts


def _between(offsets: tuple[int, ...], start: int, stop: int) -> range:
    """Places of the offsets in ``[start, stop)``."""
    return range(bisect_left(offsets, start), bisect_left(offsets, stop))


def plan_tiles(height: int, width: int, *, window: int, stride: int) -> TileGrid:
    """The grid for a canvas of ``height x width`` latent pixels; the tile shrinks to the canvas where that is smaller.

    >>> plan_tiles(32, 96, window=64, stride=32).lefts
    (0, 32)
    """
    tile_height, tile_width = min(window, height), min(window, width)
    return TileGrid(
        tile_height=tile_height,
        tile_width=tile_width,
        tops=spread_offsets(height, tile_height, min(stride, tile_height)),
        lefts=spread_offsets(width, tile_width, min(stride, tile_width)),
    )


def check_reach(grid: TileGrid, regions: RegionGrid) -> None:
    """Refuse regions so small that a tile would reach past the next one: a merge looks one region back only."""
    if max(grid.tile_height, grid.tile_width) > regions.side and regions.num_regions > 1:
        raise ValueError(
            f"regions of {regions.side} latent pixels are smaller than the tile of {grid.tile_height} x "
            f"{grid.tile_width}: give the recipe a region of at least {max(grid.tile_height, grid.tile_width)}"
        )
