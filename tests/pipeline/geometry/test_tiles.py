"""The grid covers every size, exactly, with tiles of one shape and one owner each."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.geometry.tiles import plan_tiles, spread_offsets
from storage.box import RegionGrid


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


def test_the_tile_shrinks_to_a_small_image() -> None:
    tiles = plan_tiles(24, 200, window=64, stride=48)
    assert (tiles.tile_height, tiles.tile_width) == (24, 64)


@pytest.mark.parametrize(("length", "tile", "stride"), [(10, 11, 4), (10, 0, 1), (10, 4, 0), (10, 4, 5)])
def test_nonsense_is_refused(length: int, tile: int, stride: int) -> None:
    with pytest.raises(ValueError, match="must be between"):
        spread_offsets(length, tile, stride)
