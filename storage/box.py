"""Boxes and the region grid: the geometry of who owns which pixels of a two-dimensional canvas.

Axis order is y before x everywhere; boxes are half-open, ``[top, bottom) x [left, right)``.

    left        right
     |            |
     +------------+ -- top
     |  [y, x]    |
     +------------+ -- bottom
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """A half-open window of a canvas, in that canvas's own pixels.

    >>> Box(top=0, left=4, height=2, width=3).slices
    (slice(0, 2, None), slice(4, 7, None))
    """

    top: int
    left: int
    height: int
    width: int

    def __post_init__(self) -> None:
        if self.height < 1 or self.width < 1:
            raise ValueError(f"a box needs at least one pixel a side, got {self.height} x {self.width}")

    @property
    def bottom(self) -> int:
        return self.top + self.height

    @property
    def right(self) -> int:
        return self.left + self.width

    @property
    def area(self) -> int:
        return self.height * self.width

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width, in pixels."""
        return self.height, self.width

    @property
    def slices(self) -> tuple[slice, slice]:
        """Index an array ``[..., y, x]`` of the canvas."""
        return slice(self.top, self.bottom), slice(self.left, self.right)

    def within(self, outer: Box) -> tuple[slice, slice]:
        """Index an array that holds ``outer`` only.

        >>> Box(top=5, left=6, height=1, width=2).within(Box(top=4, left=4, height=4, width=4))
        (slice(1, 2, None), slice(2, 4, None))
        """
        if not outer.contains(self):
            raise ValueError(f"{self} is not inside {outer}")
        return (
            slice(self.top - outer.top, self.bottom - outer.top),
            slice(self.left - outer.left, self.right - outer.left),
        )

    def contains(self, other: Box) -> bool:
        return (
            self.top <= other.top
            and self.left <= other.left
            and other.bottom <= self.bottom
            and other.right <= self.right
        )

    def intersection(self, other: Box) -> Box | None:
        """The common part, or None where there is none."""
        top, left = max(self.top, other.top), max(self.left, other.left)
        height, width = min(self.bottom, other.bottom) - top, min(self.right, other.right) - left
        return Box(top=top, left=left, height=height, width=width) if height > 0 and width > 0 else None

    def scaled(self, factor: int) -> Box:
        """The same window on a canvas ``factor`` times as fine."""
        return Box(
            top=self.top * factor, left=self.left * factor, height=self.height * factor, width=self.width * factor
        )

    def shrunk(self, factor: int) -> Box:
        """The window in pixels ``factor`` times as large: all that it touches.

        >>> Box(top=3, left=8, height=2, width=4).shrunk(4)
        Box(top=0, left=2, height=2, width=1)
        """
        top, left = self.top // factor, self.left // factor
        return Box(top=top, left=left, height=-(-self.bottom // factor) - top, width=-(-self.right // factor) - left)

    def grown(self, margin: int, canvas: Box) -> Box:
        """The window with ``margin`` more pixels on every side, cut at the canvas's edge.

        >>> Box(top=0, left=8, height=4, width=4).grown(2, Box(top=0, left=0, height=12, width=12))
        Box(top=0, left=6, height=6, width=6)
        """
        top, left = max(canvas.top, self.top - margin), max(canvas.left, self.left - margin)
        bottom, right = min(canvas.bottom, self.bottom + margin), min(canvas.right, self.right + margin)
        return Box(top=top, left=left, height=bottom - top, width=right - left)


@dataclass(frozen=True, slots=True, kw_only=True)
class RegionGrid:
    """A canvas cut into square regions, numbered in row-major order; the last row and column may be smaller.

    >>> grid = RegionGrid(height=10, width=17, side=8)
    >>> grid.rows, grid.cols, grid.num_regions
    (2, 3, 6)
    >>> grid.box(5)
    Box(top=8, left=16, height=2, width=1)
    >>> grid.band(1)
    Box(top=8, left=0, height=2, width=17)
    """

    height: int
    """pixels along y"""
    width: int
    """pixels along x"""
    side: int
    """pixels a side of a full region"""

    def __post_init__(self) -> None:
        if min(self.height, self.width, self.side) < 1:
            raise ValueError(f"a region grid needs positive sizes, got {self}")

    @property
    def rows(self) -> int:
        return -(-self.height // self.side)

    @property
    def cols(self) -> int:
        return -(-self.width // self.side)

    @property
    def num_regions(self) -> int:
        return self.rows * self.cols

    @property
    def canvas(self) -> Box:
        return Box(top=0, left=0, height=self.height, width=self.width)

    def index(self, row: int, col: int) -> int:
        if not (0 <= row < self.rows and 0 <= col < self.cols):
            raise IndexError(f"no region at row {row}, column {col} of {self.rows} x {self.cols}")
        return row * self.cols + col

    def position(self, region: int) -> tuple[int, int]:
        """Row and column of a region."""
        if not 0 <= region < self.num_regions:
            raise IndexError(f"no region {region} of {self.num_regions}")
        return divmod(region, self.cols)

    def box(self, region: int) -> Box:
        row, col = self.position(region)
        top, left = row * self.side, col * self.side
        return Box(
            top=top, left=left, height=min(self.side, self.height - top), width=min(self.side, self.width - left)
        )

    def band(self, row: int) -> Box:
        """All regions of one row of them."""
        top = row * self.side
        return Box(top=top, left=0, height=min(self.side, self.height - top), width=self.width)

    def owner(self, y: int, x: int) -> int:
        """The region that holds one pixel."""
        return self.index(y // self.side, x // self.side)

    def neighbourhood(self, region: int, *, before: int, after: int) -> Iterator[int]:
        """Regions from ``before`` rows/columns ahead of this one to ``after`` behind it, row-major, itself included.

        >>> list(RegionGrid(height=3, width=3, side=1).neighbourhood(4, before=0, after=1))
        [4, 5, 7, 8]
        """
        row, col = self.position(region)
        for y in range(max(0, row - before), min(self.rows, row + after + 1)):
            for x in range(max(0, col - before), min(self.cols, col + after + 1)):
                yield self.index(y, x)

    def overlapping(self, box: Box) -> Iterator[int]:
        """Regions that share a pixel with ``box``, row-major."""
        for row in self.rows_of(box):
            for col in self.cols_of(box):
                yield self.index(row, col)

    def rows_of(self, box: Box) -> range:
        """Rows of regions that share a pixel with ``box``."""
        return range(box.top // self.side, (box.bottom - 1) // self.side + 1)

    def cols_of(self, box: Box) -> range:
        """Columns of regions that share a pixel with ``box``.

        >>> grid = RegionGrid(height=10, width=17, side=8)
        >>> box = Box(top=0, left=7, height=8, width=2)
        >>> grid.rows_of(box), grid.cols_of(box)
        (range(0, 1), range(0, 2))
        """
        return range(box.left // self.side, (box.right - 1) // self.side + 1)


def cells(box: Box, side: int) -> Iterator[Box]:
    """Windows of ``side`` pixels that cover a box, row by row from its corner, smaller at its right and lower edges.

    >>> [(cell.top, cell.left, cell.height, cell.width) for cell in cells(Box(top=5, left=7, height=3, width=2), 2)]
    [(5, 7, 2, 2), (7, 7, 1, 2)]
    """
    grid = RegionGrid(height=box.height, width=box.width, side=side)
    for index in range(grid.num_regions):
        cell = grid.box(index)
        yield replace(cell, top=cell.top + box.top, left=cell.left + box.left)
