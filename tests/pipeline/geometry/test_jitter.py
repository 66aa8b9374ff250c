from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.geometry.jitter import draw_jitter, jitter_radius, move
from pipeline.geometry.tiles import Tile, plan_tiles
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


PLACE = Box(top=0, left=0, height=8, width=8)


@pytest.mark.parametrize(
    ("key", "down_right"),
    [
        # seed, stage, step, row, col
        ((1, 2, 3, 4, 5), (-6, 15)),
        ((1, 2, 3, 5, 4), (-5, -7)),
        ((1, 3, 2, 4, 5), (-7, 12)),
        ((0, 0, 0, 0, 1), (14, 20)),
        ((9, 1, 7, 2, 2), (-18, 0)),
    ],
)
def test_draws_are_the_same_in_every_version(key: tuple[int, int, int, int, int], down_right: tuple[int, int]) -> None:
    """Down before right, and every part of the key in its place: written down, so that resumed runs stay whole."""
    seed, stage, step, row, col = key
    assert draw_jitter(seed, stage, step, Tile(row=row, col=col, box=PLACE), 20) == down_right
    small = draw_jitter(seed, stage, step, Tile(row=row, col=col, box=PLACE), 2)
    stream = np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, stage, 0x6A17, step, row, col])))
    assert small == tuple(stream.integers(-2, 3, size=2).tolist())


def test_down_moves_rows_and_right_moves_columns() -> None:
    canvas = Box(top=0, left=0, height=64, width=96)
    grid = plan_tiles(64, 96, window=16, stride=8)
    inner = grid.tile(2, 5)
    for beyond in (True, False):
        moved = move(inner, grid, (2, -1), canvas, beyond=beyond).box
        assert (moved.top, moved.left) == (inner.box.top + 2, inner.box.left - 1)
    # a column of the edge keeps its column, and its row moves as it likes
    edge = move(grid.tile(3, 0), grid, (-2, 2), canvas, beyond=False).box
    assert (edge.top, edge.left) == (grid.tops[3] - 2, 0)
    edge = move(grid.tile(0, 4), grid, (-2, 2), canvas, beyond=False).box
    assert (edge.top, edge.left) == (0, grid.lefts[4] + 2)


@pytest.mark.parametrize("by", [(9, 9), (-9, -9), (9, -9)])
def test_a_tile_stops_at_each_of_the_four_sides(by: tuple[int, int]) -> None:
    """Tiles wider than high: a radius larger than the distance to the edge, which small grids have."""
    canvas = Box(top=0, left=0, height=40, width=70)
    grid = plan_tiles(40, 70, window=64, stride=4)
    wide = Tile(row=0, col=1, box=Box(top=0, left=3, height=40, width=64))
    inner = dataclasses.replace(wide, row=1, box=Box(top=6, left=3, height=30, width=60))
    tall = dataclasses.replace(grid, tile_height=30, tops=(0, 6, 10), lefts=(0, 3, 6))
    moved = move(inner, tall, by, canvas, beyond=False).box
    assert (moved.top, moved.left) == (10 if by[0] > 0 else 0, 10 if by[1] > 0 else 0)


@pytest.mark.parametrize(("window", "stride", "radius"), [(128, 64, 16), (64, 44, 5), (64, 61, 0), (16, 9, 1)])
def test_a_quarter_of_the_overlap(window: int, stride: int, radius: int) -> None:
    assert jitter_radius(window, stride) == radius
