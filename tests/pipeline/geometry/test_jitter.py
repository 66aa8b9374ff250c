from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.geometry.jitter import draw_jitter, jitter_radius, move
from pipeline.geometry.tiles import plan_tiles
from storage.box import Box


@settings(max_examples=60, deadline=None)
@given(st.integers(16, 90), st.integers(16, 90), st.sampled_from([4, 8, 12]), st.integers(0, 99), st.booleans())
def test_moved_tiles_cover_the_canvas(height: int, width: int, stride: int, seed: int, beyond: bool) -> None:
    canvas = Box(top=0, left=0, height=height, width=width)
    grid = plan_tiles(height, width, window=16, stride=stride)
    radius = jitter_radius(16, stride)
    covered = np.zeros(canvas.shape, dtype=int)
    for tile in grid.owned_by(canvas):
        moved = move(tile, grid, draw_jitter(seed, 0, 0, tile, radius), canvas, beyond=beyond)
        assert moved.box.shape == tile.box.shape
        assert max(abs(moved.box.top - tile.box.top), abs(moved.box.left - tile.box.left)) <= radius
        inside = moved.box.intersection(canvas)
        assert inside is not None
        assert beyond or inside == moved.box
        covered[inside.slices] += 1
    assert covered.min() > 0


def test_draws_are_a_function_of_the_place() -> None:
    grid = plan_tiles(64, 64, window=16, stride=8)
    draws = {(t.row, t.col): draw_jitter(1, 2, 3, t, 2) for t in grid.owned_by(Box(top=0, left=0, height=64, width=64))}
    assert draws[1, 1] == draw_jitter(1, 2, 3, grid.tile(1, 1), 2)
    assert draws[1, 1] != draw_jitter(1, 2, 4, grid.tile(1, 1), 20)
    assert {value for draw in draws.values() for value in draw} == {-2, -1, 0, 1, 2}


@pytest.mark.parametrize("beyond", [True, False])
def test_edges_move_outward_or_not_at_all(beyond: bool) -> None:
    canvas = Box(top=0, left=0, height=48, width=16)
    grid = plan_tiles(48, 16, window=16, stride=8)
    first, last = (move(grid.tile(row, 0), grid, (2, 2), canvas, beyond=beyond).box for row in (0, len(grid.tops) - 1))
    assert (first.top, last.bottom) == ((-2, 50) if beyond else (0, 48))
    assert first.left == 0, "there is one column: nothing to meet, so nothing moves"
