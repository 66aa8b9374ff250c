"""The table tile -> prompt as an array: one chunk a region, as everything else of a run.

Every region has a block of ``side x side`` places, enough for the tiles that any region owns. Its own tiles fill the
block from its top-left corner on, in their rows and columns; the places left over hold 0.

    tiles of a region      its block
      a b                   a b 0
      c d                   c d 0
                            0 0 0
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from pipeline.plan.plan import Plan
from storage.box import RegionGrid

CHANNELS = 3
"""keys of the prompt and of the negative prompt, 0 for the plan's own; and 1 where one of them was cut, else 0"""


def prompt_grid(plan: Plan) -> RegionGrid:
    """The array's grid: as many regions as the plan has, in the same order."""
    regions = plan.regions
    rows = _most_in_a_region(plan.prompt_tiles.tops, regions.side)
    side = max(rows, _most_in_a_region(plan.prompt_tiles.lefts, regions.side))
    return RegionGrid(height=regions.rows * side, width=regions.cols * side, side=side)


def _most_in_a_region(offsets: Sequence[int], side: int) -> int:
    bounds = [n for n in range(len(offsets)) if n == 0 or offsets[n] // side != offsets[n - 1] // side]
    return max(after - before for before, after in pairwise([*bounds, len(offsets)]))


def fill_block(plan: Plan, region: int, entries: Sequence[tuple[int, int, int]]) -> np.ndarray:
    """A region's block ``[3, side, side]`` uint64 of its tiles' entries, which come in row-major tile order."""
    side = prompt_grid(plan).side
    block = np.zeros((CHANNELS, side, side), dtype=np.uint64)
    for (row, col), entry in zip(_places(plan, region), entries, strict=True):
        block[:, row, col] = entry
    return block


def read_block(plan: Plan, region: int, block: np.ndarray) -> list[tuple[int, int]]:
    """The keys of the region's tiles, row-major."""
    return [(int(block[0, row, col]), int(block[1, row, col])) for row, col in _places(plan, region)]


def _places(plan: Plan, region: int) -> list[tuple[int, int]]:
    """Row and column within the block of each of the region's tiles."""
    tiles = plan.prompt_tiles.owned_by(plan.regions.box(region))
    return [(tile.row - tiles[0].row, tile.col - tiles[0].col) for tile in tiles]
