"""The table tile -> prompt: every tile has its place, in the chunk of the region that owns it."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.tasks.prompt_table import fill_block, prompt_grid, read_block
from tests.support.tiny import small_plan


@pytest.mark.parametrize(("height", "width"), [(75, 125), (64, 64), (200, 70), (33, 300)])
def test_blocks(height: int, width: int) -> None:
    plan = small_plan(height=height, width=width)
    grid = prompt_grid(plan)
    assert (grid.rows, grid.cols) == (plan.regions.rows, plan.regions.cols)
    seen = 0
    for region in range(plan.regions.num_regions):
        tiles = plan.tiles.owned_by(plan.regions.box(region))
        keys = [(2**64 - 1 - seen - n, n) for n in range(len(tiles))]
        block = fill_block(plan, region, [(*pair, number % 2) for number, pair in enumerate(keys)])
        assert block.shape == (3, grid.side, grid.side)
        assert np.count_nonzero(block[2]) == len(tiles) // 2
        assert np.count_nonzero(block[0]) == len(tiles)
        assert read_block(plan, region, block) == keys
        for tile, key in zip(tiles, keys, strict=True):
            assert block[0, tile.row - tiles[0].row, tile.col - tiles[0].col] == key[0]
        seen += len(tiles)
    assert seen == plan.tiles.num_tiles
