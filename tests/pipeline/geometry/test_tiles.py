"""The grid covers every size, exactly, with tiles of one shape and one owner each."""

from __future__ import annotations

import math
from collections import Counter
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.geometry.tiles import TileGrid, check_reach, plan_tiles, spread_offsets
from storage.box import Box, RegionGrid


@given(length=st.integers(1, 600), tile=st.integers(1, 128), data=st.data())
def test_offsets_cover_every_length(length: int, tile: int, data: st.DataObject) -> None:
    tile = min(tile, length)
    stride = data.draw(st.integers(1, tile))
    offsets = spread_offsets(length, tile, stride)
    covered = np.zeros(length, dtype=int)
    for offset in offsets:
        covered[offset : offset + tile] += 1
    assert covered.min() >= 1
    assert offsets[0] == 0
    assert offsets[-1] + tile == length
    gaps = np.diff(offsets)
    assert (gaps <= stride).all()
    assert len(gaps) == 0 or gaps.max() - gaps.min() <= 1


@pytest.mark.parametrize(("height", "width"), [(125, 64), (64, 65), (75, 125)])
def test_no_strip_is_left_where_fixed_strides_leave_one(height: int, width: int) -> None:
    """512 x 1000 pixels leave five latent columns at zero in diffusers' Panorama (stride 8 from 0, not snapped)."""
    tiles = plan_tiles(height, width, window=64, stride=8)
    assert tiles.tops[-1] + tiles.tile_height == height
    assert tiles.lefts[-1] + tiles.tile_width == width


@given(
    height=st.integers(8, 200), width=st.integers(8, 200), side=st.integers(32, 100), window=st.sampled_from([16, 32])
)
def test_every_tile_has_one_owner(height: int, width: int, side: int, window: int) -> None:
    tiles = plan_tiles(height, width, window=window, stride=window // 2)
    regions = RegionGrid(height=height, width=width, side=side)
    owned = [tile for r in range(regions.num_regions) for tile in tiles.owned_by(regions.box(r))]
    assert len(owned) == tiles.num_tiles == len({(tile.row, tile.col) for tile in owned})


@given(
    height=st.integers(8, 200), width=st.integers(8, 200), side=st.integers(20, 100), window=st.sampled_from([16, 24])
)
def test_regions_are_counted_by_the_tiles_that_they_own(height: int, width: int, side: int, window: int) -> None:
    tiles = plan_tiles(height, width, window=window, stride=window // 3)
    regions = RegionGrid(height=height, width=width, side=side)
    each = [len(tiles.owned_by(regions.box(r))) for r in range(regions.num_regions)]
    assert tiles.num_owned(regions) == Counter(each)


def test_the_tile_shrinks_to_a_small_image() -> None:
    tiles = plan_tiles(24, 200, window=64, stride=48)
    assert (tiles.tile_height, tiles.tile_width) == (24, 64)


@pytest.mark.parametrize(("length", "tile", "stride"), [(10, 11, 4), (10, 0, 1), (10, 4, 0), (10, 4, 5)])
def test_nonsense_is_refused(length: int, tile: int, stride: int) -> None:
    with pytest.raises(ValueError, match="must be between"):
        spread_offsets(length, tile, stride)


@pytest.mark.parametrize(
    ("length", "tile", "stride", "offsets"),
    [
        (100, 64, 32, (0, 18, 36)),
        (101, 64, 16, (0, 12, 25, 37)),
        # 32.5: half goes up, not to the even number
        (97, 32, 20, (0, 16, 33, 49, 65)),
        (11, 4, 3, (0, 2, 5, 7)),
        (131, 48, 32, (0, 28, 55, 83)),
        # the last of a stride is reached to the pixel, and passed by one
        (64, 16, 12, (0, 12, 24, 36, 48)),
        (65, 16, 12, (0, 10, 20, 29, 39, 49)),
    ],
)
def test_offsets_are_the_same_in_every_version(length: int, tile: int, stride: int, offsets: tuple[int, ...]) -> None:
    assert spread_offsets(length, tile, stride) == offsets


@given(length=st.integers(2, 600), tile=st.integers(1, 128), data=st.data())
def test_offsets_are_fractions_rounded_half_up(length: int, tile: int, data: st.DataObject) -> None:
    """As few as a stride allows, at k (length - tile) / (n - 1)."""
    tile = min(tile, length - 1)
    stride = data.draw(st.integers(1, tile))
    count = next(n for n in range(2, length + 2) if (n - 1) * stride >= length - tile)
    exact = [Fraction(k * (length - tile), count - 1) for k in range(count)]
    assert spread_offsets(length, tile, stride) == tuple(math.floor(one + Fraction(1, 2)) for one in exact)


GRID = TileGrid(tile_height=8, tile_width=20, tops=(0, 6, 12, 18), lefts=(0, 15, 30))


@pytest.mark.parametrize(
    "box",
    [
        Box(top=0, left=0, height=26, width=50),
        Box(top=8, left=20, height=4, width=10),
        Box(top=7, left=19, height=1, width=1),
        Box(top=14, left=0, height=4, width=15),
        Box(top=25, left=35, height=1, width=15),
    ],
)
def test_tiles_over_a_box_and_of_a_region_row_by_row(box: Box) -> None:
    """Against a loop over pixels, with tiles wider than high."""
    every = [GRID.tile(row, col) for row in range(4) for col in range(3)]
    inside = {(y, x) for y in range(box.top, box.bottom) for x in range(box.left, box.right)}

    def pixels(one: Box) -> set[tuple[int, int]]:
        return {(y, x) for y in range(one.top, one.bottom) for x in range(one.left, one.right)}

    assert GRID.touching(box) == [tile for tile in every if pixels(tile.box) & inside]
    assert GRID.owned_by(box) == [tile for tile in every if (tile.box.top, tile.box.left) in inside]


def test_a_tile_is_at_its_row_and_column() -> None:
    assert GRID.tile(3, 1).box == Box(top=18, left=15, height=8, width=20)
    tiles = plan_tiles(24, 200, window=64, stride=48)
    assert (tiles.tops, tiles.lefts) == ((0,), (0, 45, 91, 136))
    tall = plan_tiles(200, 24, window=64, stride=48)
    assert (tall.tops, tall.lefts) == ((0, 45, 91, 136), (0,))
    assert (tall.tile_height, tall.tile_width) == (64, 24)


@pytest.mark.parametrize(("tile_height", "tile_width"), [(17, 8), (8, 17)])
def test_regions_smaller_than_a_tiles_longer_side_are_refused(tile_height: int, tile_width: int) -> None:
    grid = TileGrid(tile_height=tile_height, tile_width=tile_width, tops=(0,), lefts=(0,))
    with pytest.raises(ValueError, match="a region of at least 17"):
        check_reach(grid, RegionGrid(height=64, width=64, side=16))
    check_reach(grid, RegionGrid(height=64, width=64, side=17))
    # one region has no next one
    check_reach(grid, RegionGrid(height=16, width=16, side=16))
