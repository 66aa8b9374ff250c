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


OUTER = Box(top=10, left=3, height=6, width=20)


@pytest.mark.parametrize(
    ("box", "inside"),
    [
        (OUTER, True),
        (Box(top=11, left=5, height=2, width=17), True),
        (Box(top=9, left=5, height=2, width=3), False),
        (Box(top=11, left=2, height=2, width=3), False),
        (Box(top=11, left=5, height=6, width=3), False),
        # its right side is beyond, its bottom is far from that
        (Box(top=11, left=5, height=2, width=19), False),
        (Box(top=10, left=22, height=1, width=2), False),
    ],
)
def test_containing_is_by_each_side(box: Box, inside: bool) -> None:
    assert OUTER.contains(box) == inside
    if inside:
        ys, xs = box.within(OUTER)
        assert (ys.start, ys.stop, xs.start, xs.stop) == (
            box.top - 10,
            box.bottom - 10,
            box.left - 3,
            box.right - 3,
        )
    else:
        with pytest.raises(ValueError, match="is not inside"):
            box.within(OUTER)


def test_boxes_by_pixels() -> None:
    """Intersections, growth and scaling of boxes wider than high, against sets of pixels."""
    other = Box(top=14, left=20, height=9, width=2)
    assert OUTER.intersection(other) == Box(top=14, left=20, height=2, width=2)
    assert OUTER.intersection(Box(top=16, left=4, height=2, width=2)) is None
    assert OUTER.intersection(Box(top=11, left=23, height=2, width=2)) is None
    assert OUTER.scaled(3) == Box(top=30, left=9, height=18, width=60)
    canvas = Box(top=0, left=0, height=18, width=24)
    assert OUTER.grown(2, canvas) == Box(top=8, left=1, height=10, width=23)
    assert OUTER.grown(5, canvas) == Box(top=5, left=0, height=13, width=24)
    assert (OUTER.shape, OUTER.area, OUTER.bottom, OUTER.right) == ((6, 20), 120, 16, 23)


def test_regions_of_a_canvas_that_is_wider_than_high() -> None:
    grid = RegionGrid(height=10, width=30, side=8)
    assert (grid.rows, grid.cols, grid.num_regions) == (2, 4, 8)
    assert [grid.owner(y, x) for y, x in ((0, 0), (7, 29), (8, 0), (9, 24))] == [0, 3, 4, 7]
    assert grid.box(7) == Box(top=8, left=24, height=2, width=6)
    assert list(grid.overlapping(Box(top=7, left=15, height=2, width=2))) == [1, 2, 5, 6]
    assert list(grid.overlapping(Box(top=8, left=16, height=2, width=8))) == [6]
    assert list(grid.neighbourhood(5, before=1, after=1)) == [0, 1, 2, 4, 5, 6]
    assert list(grid.neighbourhood(6, before=0, after=1)) == [6, 7]
    assert grid.band(1) == Box(top=8, left=0, height=2, width=30)
    for wrong in ((2, 0), (0, 4), (-1, 0), (0, -1)):
        with pytest.raises(IndexError, match="no region at row"):
            grid.index(*wrong)
    for region in (-1, 8):
        with pytest.raises(IndexError, match="no region"):
            grid.position(region)


@settings(deadline=None)
@given(
    st.tuples(*[st.integers(0, 4)] * 2, *[st.integers(1, 4)] * 2),
    st.tuples(*[st.integers(0, 4)] * 2, *[st.integers(1, 4)] * 2),
)
def test_boxes_are_sets_of_pixels(a: tuple[int, ...], b: tuple[int, ...]) -> None:
    """Holding, common part and place within another, by the pixels themselves; rows and columns are not alike."""
    one, other = (Box(top=y, left=x, height=height, width=width) for y, x, height, width in (a, b))

    def pixels(box: Box) -> set[tuple[int, int]]:
        return {(y, x) for y in range(box.top, box.bottom) for x in range(box.left, box.right)}

    assert one.contains(other) == (pixels(other) <= pixels(one))
    common = one.intersection(other)
    assert (set() if common is None else pixels(common)) == pixels(one) & pixels(other)
    if pixels(other) <= pixels(one):
        ys, xs = other.within(one)
        assert (ys.start, ys.stop, xs.start, xs.stop) == (
            b[0] - a[0],
            b[0] + b[2] - a[0],
            b[1] - a[1],
            b[1] + b[3] - a[1],
        )
    else:
        with pytest.raises(ValueError, match="is not inside"):
            other.within(one)


@pytest.mark.parametrize("side", ["top", "left", "bottom", "right"])
def test_a_box_that_sticks_out_on_one_side_is_not_inside(side: str) -> None:
    outer = Box(top=10, left=20, height=30, width=5)
    change = {"top": (9, 21, 3, 2), "left": (11, 19, 3, 2), "bottom": (38, 21, 3, 2), "right": (11, 24, 3, 2)}[side]
    top, left, height, width = change
    assert not outer.contains(Box(top=top, left=left, height=height, width=width))
    assert outer.contains(outer)


@settings(deadline=None)
@given(grids, st.data())
def test_neighbours_by_a_plain_loop(grid: RegionGrid, data: st.DataObject) -> None:
    region = data.draw(st.integers(0, grid.num_regions - 1))
    before, after = data.draw(st.integers(0, 3)), data.draw(st.integers(0, 3))
    row, col = region // grid.cols, region % grid.cols
    assert grid.position(region) == (row, col)
    assert grid.index(row, col) == region
    near = [
        other
        for other in range(grid.num_regions)
        if -before <= other // grid.cols - row <= after and -before <= other % grid.cols - col <= after
    ]
    assert list(grid.neighbourhood(region, before=before, after=after)) == near
    assert grid.band(row).slices[0] == grid.box(region).slices[0]
    assert (grid.band(row).left, grid.band(row).width) == (0, grid.width)


def test_no_region_beyond_the_last() -> None:
    grid = RegionGrid(height=10, width=17, side=8)
    for row, col in ((-1, 0), (2, 0), (0, -1), (0, 3)):
        with pytest.raises(IndexError, match=f"no region at row {row}, column {col} of 2 x 3"):
            grid.index(row, col)
    for region in (-1, 6):
        with pytest.raises(IndexError, match=f"no region {region} of 6"):
            grid.box(region)
    for size in ({"height": 0}, {"width": 0}, {"side": 0}):
        with pytest.raises(ValueError, match="positive sizes"):
            RegionGrid(**({"height": 1, "width": 1, "side": 1} | size))


def test_a_finer_canvas() -> None:
    assert Box(top=1, left=2, height=3, width=4).scaled(5) == Box(top=5, left=10, height=15, width=20)
