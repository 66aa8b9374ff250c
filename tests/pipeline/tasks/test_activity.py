"""Which tiles and pixels are denoised, against the papers' rules written out."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.geometry.tiles import plan_tiles
from pipeline.plan.recipe import Recipe
from pipeline.plan.sources import NUMBERS
from pipeline.sampling.difficulty import refined_from
from pipeline.tasks.activity import active_pixels, active_tiles, count_active, group_of, is_tile_active
from storage.box import Box

TOPS = (1000.0, 999.0, 499.0, 250.0)
"""where grids begin: at full noise, or later for a part of the steps"""


@pytest.mark.parametrize(("confidence", "group"), [(1.0, 0), (0.76, 0), (0.75, 1), (0.51, 1), (0.5, 2), (0.0, 2)])
def test_groups_by_the_mean_confidence(confidence: float, group: int) -> None:
    """(gamma_1, 1], (gamma_2, gamma_1], [0, gamma_2]."""
    assert group_of(1 - confidence, (0.75, 0.5)) == group


def test_a_tile_begins_at_its_groups_time() -> None:
    recipe = Recipe.from_flat(activity="groups", group_bounds=(0.75, 0.5), group_times=(400.0, 700.0, 1000.0))
    maps = {400: np.full((4, 4), 0.1), 700: np.full((4, 4), 0.4), 1000: np.full((4, 4), 0.9)}
    for time, difficulty in maps.items():
        began = [t for t in range(999, -1, -1) if is_tile_active(recipe, difficulty, t)]
        assert began == list(range(min(time, 999), -1, -1))


def test_yodas_mask_grows_with_time() -> None:
    """T (A + l) >= t, for every A and t."""
    difficulty = np.linspace(0, 1, 11, dtype=np.float32)
    for timestep in (999.0, 700.0, 250.0, 1.0):
        for a, found in zip(difficulty, active_pixels(difficulty, timestep, 0.2), strict=True):
            assert found == (1000 * (a + 0.2) >= timestep)


def test_one_active_pixel_makes_a_tile_active() -> None:
    recipe, difficulty = Recipe.from_flat(activity="mask", lower_bound=0.1), np.zeros((8, 8), dtype=np.float32)
    assert not is_tile_active(recipe, difficulty, 500)
    difficulty[3, 5] = 0.5
    assert is_tile_active(recipe, difficulty, 500)


def test_tiles_read_their_own_part_of_the_map() -> None:
    grid, seen = plan_tiles(32, 32, window=16, stride=16), Box(top=0, left=0, height=32, width=32)
    tiles = [grid.tile(row, col) for row in range(2) for col in range(2)]
    difficulty = np.zeros((32, 32), dtype=np.float32)
    difficulty[16:, :16] = 1
    recipe = Recipe.from_flat(activity="groups", group_bounds=(0.6, 0.3))
    assert active_tiles(recipe, tiles, seen, difficulty, 999.0) == [tiles[2]]
    assert active_tiles(recipe, tiles, seen, difficulty, 399.0) == tiles


def test_every_tile_is_active_without_a_rule() -> None:
    assert is_tile_active(Recipe(), np.zeros((2, 2)), 999.0)


@given(st.integers(1, 1000), st.sampled_from([0.001, 0.1, 0.25, 1.0]), st.sampled_from(TOPS))
def test_no_place_is_spared_in_the_last_steps(steps: int, lower_bound: float, top: float) -> None:
    """Of a grid of any length: at least one, and that share of them."""
    times = [top - (top / steps) * step for step in range(steps)]
    floor = refined_from(times, lower_bound)
    nothing = np.zeros((2, 2), dtype=np.float32)
    active = [bool(active_pixels(nothing, time, lower_bound, floor).all()) for time in times]
    assert active[-1]
    assert active == sorted(active)
    assert sum(active) >= lower_bound * steps - 1e-6
    recipe = Recipe.from_flat(activity="mask", lower_bound=lower_bound)
    assert [is_tile_active(recipe, nothing, time, floor) for time in times] == active


@pytest.mark.parametrize("steps", [1, 2, 4, 10, 50])
@pytest.mark.parametrize("source", NUMBERS)
def test_the_busiest_place_is_refined_at_every_step(source: str, steps: int) -> None:
    """A of 1 is active at the first timestep, whatever the source's own bound is."""
    times = [999 - 1000 // steps * step for step in range(steps)]
    bound = NUMBERS[source].lower_bound
    busiest = np.ones((1, 1), dtype=np.float32)
    assert all(active_pixels(busiest, time, bound, refined_from(times, bound)).all() for time in times)


def test_counts_of_a_region_by_a_loop() -> None:
    """At each time, as far as the region's own difficulty tells; tiles that lie beside it are not counted."""
    grid, box = plan_tiles(40, 70, window=16, stride=12), Box(top=10, left=30, height=20, width=25)
    tiles = [grid.tile(row, col) for row in range(len(grid.tops)) for col in range(len(grid.lefts))]
    difficulty = np.random.default_rng(0).random(box.shape).astype(np.float32) ** 4
    recipe = Recipe.from_flat(activity="mask", lower_bound=0.1)
    times = (999.0, 800.0, 400.0, 100.0)
    expected = []
    for time in times:
        count = 0
        for tile in tiles:
            ys = range(max(tile.box.top, 10), min(tile.box.bottom, 30))
            xs = range(max(tile.box.left, 30), min(tile.box.right, 55))
            places = [(y - 10, x - 30) for y in ys for x in xs]
            late = time <= refined_from(times, 0.1)
            count += bool(places) and (late or any(1000 * (difficulty[place] + 0.1) >= time for place in places))
        expected.append(count)
    assert count_active(recipe, tiles, box, difficulty, times) == expected
    assert expected[0] < expected[-1] < len(tiles)


def test_a_tile_that_hangs_out_counts_by_what_is_on_the_canvas() -> None:
    seen = Box(top=0, left=0, height=12, width=30)
    difficulty = np.zeros((12, 30), dtype=np.float32)
    difficulty[:4, 20:] = 1
    tile = plan_tiles(16, 16, window=16, stride=16).tile(0, 0)
    moved = dataclasses.replace(tile, box=Box(top=-8, left=18, height=16, width=16))
    other = dataclasses.replace(tile, row=1, box=Box(top=6, left=18, height=16, width=16))
    recipe = Recipe.from_flat(activity="mask", lower_bound=0.1)
    assert active_tiles(recipe, [moved, other], seen, difficulty, 900.0) == [moved]
