"""Which regions are read, against a look at every box of a small canvas; the edges of whole plans: test_edges.py."""

from __future__ import annotations

import dataclasses

import pytest

from actors.schedule.regions import Regions, around, batch_shape, blur_halo, given_by_samples, regions_of, seen_by_tiles
from pipeline.models.families import analytic
from pipeline.plan.plan import Plan
from storage.box import Box, RegionGrid
from tests.support.geometries import altered
from tests.support.tiny import small_plan


def plan(**settings: object) -> Plan:
    """Latents of 2 x 3 regions of 32 x 32, the last ones narrower."""
    return small_plan(**{"height": 40, "width": 75, "region": 32, "window": 24, "overlap": 8, **settings})


def touching(grid: RegionGrid, box: Box) -> set[int]:
    found = set()
    for region in range(grid.rows * grid.cols):
        other = grid.box(region)
        rows = max(box.top, other.top) < min(box.top + box.height, other.top + other.height)
        cols = max(box.left, other.left) < min(box.left + box.width, other.left + other.width)
        found |= {region} if rows and cols else set()
    return found


def listed(regions: Regions, grid: RegionGrid, row: int, col: int) -> set[int]:
    return {grid.index(down, across) for down in regions.rows[row] for across in regions.cols[col]}


@pytest.mark.parametrize("halo", [0, 1, 32, 33, 200])
def test_round_each_region(halo: int) -> None:
    grid = plan().regions
    found = around(plan(), halo)
    for row in range(grid.rows):
        for col in range(grid.cols):
            box = grid.box(grid.index(row, col)).grown(halo, grid.canvas)
            assert listed(found, grid, row, col) == touching(grid, box)


def test_a_place_without_a_box_reads_nothing() -> None:
    grid = plan().regions
    found = regions_of(grid, 2, 2, lambda row, col: None if row == 1 or col == 1 else grid.box(0))
    assert [[list(places) for places in axis] for axis in found] == [[[0], []], [[0], []]]


def test_readers_are_the_other_way_round() -> None:
    small = plan()
    seen = seen_by_tiles(small)
    back = seen.turned(small.regions)
    for axis, num in ((0, small.regions.rows), (1, small.regions.cols)):
        for one in range(num):
            assert set(back[axis][one]) == {other for other in range(num) if one in seen[axis][other]}


def test_what_is_read_by_what_is_read() -> None:
    small = plan()
    near, wide = around(small, 1), around(small, 33)
    after = near.after(near)
    for axis in (0, 1):
        for place, reads in enumerate(after[axis]):
            assert set(reads) == {far for middle in near[axis][place] for far in near[axis][middle]}
    assert [set(one) for one in after.cols] == [set(one) for one in wide.cols]


def test_batches_of_dilated_samples() -> None:
    assert batch_shape(plan()) == (0, 0)
    assert blur_halo(plan()) == 0
    dilated = plan(dilated=1.0, batch=3)
    assert dilated.dilation is not None
    factor = dilated.dilation.factor
    assert blur_halo(dilated) == factor - 1
    rows, cols = batch_shape(dilated)
    windows = dilated.dilation.windows
    assert rows == len(windows.tops)
    # a sample a place of the factor's square, in batches of three
    assert cols == len(windows.lefts) * -(-(factor**2) // dilated.denoise_settings.batch)
    given = given_by_samples(dilated)
    assert {one for places in given.rows for one in places} == set(range(dilated.regions.rows))
    assert {one for places in given.cols for one in places} == set(range(dilated.regions.cols))


def test_samples_read_what_lies_under_their_own_window() -> None:
    """Rows are rows of windows; a window has a column a batch of its samples."""
    card = dataclasses.replace(analytic.CARD, geometry=altered(analytic.GEOMETRY, window=16))
    settings = {"dilation.window": 32, "dilated": 1.0, "batch": 2, "window": 16}
    small = plan(model=card, height=60, width=90, **settings)
    dilation = small.dilation
    assert dilation is not None
    rows, cols = batch_shape(small)
    a_window = cols // len(dilation.windows.lefts)
    assert len(dilation.windows.tops) != len(dilation.windows.lefts)
    assert a_window > 1
    found = given_by_samples(small)
    for row in range(rows):
        for col in range(cols):
            window = dilation.windows.tile(row, col // a_window).box
            assert listed(found, small.regions, row, col) >= touching(small.regions, window), (row, col)
