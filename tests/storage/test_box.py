from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storage.box import Box, RegionGrid

sizes = st.integers(1, 60)
grids = st.builds(lambda h, w, s: RegionGrid(height=h, width=w, side=s), sizes, sizes, st.integers(1, 20))


@settings(deadline=None)
@given(grids)
def test_regions_cover_every_pixel_once(grid: RegionGrid) -> None:
    seen = np.zeros((grid.height, grid.width), int)
    for region in range(grid.num_regions):
        seen[grid.box(region).slices] += 1
    assert (seen == 1).all()


@settings(deadline=None)
@given(grids, st.data())
def test_owner_and_overlap_agree_with_the_boxes(grid: RegionGrid, data: st.DataObject) -> None:
    top = data.draw(st.integers(0, grid.height - 1))
    left = data.draw(st.integers(0, grid.width - 1))
    box = Box(
        top=top,
        left=left,
        height=data.draw(st.integers(1, grid.height - top)),
        width=data.draw(st.integers(1, grid.width - left)),
    )
    expected = [r for r in range(grid.num_regions) if grid.box(r).intersection(box)]
    assert list(grid.overlapping(box)) == expected
    assert grid.owner(top, left) == expected[0]


def test_an_empty_box_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one pixel"):
        Box(top=0, left=0, height=0, width=3)


def test_grown_stops_at_the_canvas() -> None:
    canvas = Box(top=0, left=0, height=10, width=10)
    assert Box(top=0, left=5, height=2, width=5).grown(3, canvas) == Box(top=0, left=2, height=5, width=8)
