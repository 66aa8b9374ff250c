"""Wider crops and crops from all over an image."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from pipeline.geometry.tiles import TileGrid, plan_tiles
from pipeline.prompts.context import ALL_OVER, LEAST_SIDE, read_shrunk, spread_tiles, widen
from storage.box import Box


def crops(source: Box) -> Iterator[Box]:
    for top in range(0, source.height - 40, 23):
        for left in range(0, source.width - 48, 31):
            yield Box(top=top, left=left, height=40, width=48)


@pytest.mark.parametrize("level", [1, 2, 3])
def test_wider_crops_stay_inside_and_about_as_large(level: int) -> None:
    source = Box(top=0, left=0, height=500, width=333)
    for crop in crops(source):
        wide, by = widen(crop, level, source)
        assert source.contains(wide)
        assert wide.height % by == wide.width % by == 0
        assert min(wide.height, wide.width) // by >= LEAST_SIDE
        assert wide.height <= 40 * 2**level
        if wide.height == 40 * 2**level and wide.width == 48 * 2**level:
            assert by == 2**level
            assert 2 * wide.top + wide.height == 2 * crop.top + crop.height


@pytest.mark.parametrize(("by", "band"), [(1, 5), (4, 8), (4, 9), (4, 1000), (12, 1)])
def test_shrinking_takes_area_means_band_by_band(monkeypatch: pytest.MonkeyPatch, by: int, band: int) -> None:
    monkeypatch.setattr("pipeline.prompts.context.BAND", band)
    pixels = torch.rand(3, 30, 40) * 1.2 - 0.1
    box = Box(top=4, left=3, height=24, width=36)
    read: list[int] = []

    def read_rgb(window: Box) -> torch.Tensor:
        read.append(window.height)
        return pixels[:, *window.slices]

    found = read_shrunk(read_rgb, box, by)
    expected = pixels.clamp(0, 1)[:, 4:28, 3:39].reshape(3, 24 // by, by, 36 // by, by).mean((2, 4))
    torch.testing.assert_close(found, expected)
    assert sum(read) == 24
    assert max(read) <= max(band, by)


@pytest.mark.parametrize(("rows", "cols"), [(1, 1), (1, 5), (3, 7), (8, 8), (1, 1000), (1000, 2), (300, 400), (3, 90)])
def test_tiles_are_spread_over_the_whole_grid(rows: int, cols: int) -> None:
    grid = TileGrid(tile_height=1, tile_width=1, tops=tuple(range(rows)), lefts=tuple(range(cols)))
    tiles = spread_tiles(grid)
    assert len(set(tiles)) == len(tiles) <= ALL_OVER
    assert len(tiles) == rows * cols or len(tiles) > ALL_OVER // 2
    for axis, length in ((0, rows), (1, cols)):
        places = sorted({(tile.row, tile.col)[axis] for tile in tiles})
        steps = [b - a for a, b in zip([-1, *places], [*places, length], strict=True)]
        assert max(steps) <= 2 * length / len(places) + 1


def test_few_tiles_are_all_taken() -> None:
    grid = plan_tiles(40, 60, window=16, stride=12)
    assert len(spread_tiles(grid)) == grid.num_tiles
