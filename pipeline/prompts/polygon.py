"""Polygons on the input, and how much of one lies in a box: exactly, by clipping.

A ring is cut at the box's four lines one after the other (Sutherland and Hodgman, 1974). Where a bent ring falls into
parts, the cut leaves edges along the box that are walked both ways: they add nothing to the area.
"""

from __future__ import annotations

from dataclasses import dataclass

from storage.box import Box

Ring = tuple[tuple[float, float], ...]
"""corners y, x in input pixels, pixel corners at whole numbers; the last is joined to the first"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """One or more polygons that do not overlap: of each, first the outer ring, then its holes."""

    polygons: tuple[tuple[Ring, ...], ...]

    @property
    def area(self) -> float:
        """Input pixels."""
        return sum(_area(rings) for rings in self.polygons)

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """top, left, bottom, right."""
        ys, xs = zip(*(point for rings in self.polygons for point in rings[0]), strict=True)
        return min(ys), min(xs), max(ys), max(xs)

    def area_in(self, box: Box) -> float:
        """Input pixels of the shape that lie in a box.

        >>> triangle = Shape(polygons=((((0.0, 0.0), (0.0, 4.0), (4.0, 0.0)),),))
        >>> triangle.area, triangle.area_in(Box(top=0, left=0, height=2, width=2))
        (8.0, 4.0)
        """
        return sum(_area(tuple(_clip(ring, box) for ring in rings)) for rings in self.polygons)


def _area(rings: tuple[Ring, ...]) -> float:
    outer, *holes = (abs(_signed_area(ring)) for ring in rings)
    return outer - sum(holes)


def _signed_area(ring: Ring) -> float:
    total = 0.0
    for number, (y, x) in enumerate(ring):
        before_y, before_x = ring[number - 1]
        total += before_x * y - x * before_y
    return total / 2


def _clip(ring: Ring, box: Box) -> Ring:
    for axis, line, sign in ((0, box.top, 1), (0, box.bottom, -1), (1, box.left, 1), (1, box.right, -1)):
        ring = _cut(ring, axis, line, sign)
    return ring


def _cut(ring: Ring, axis: int, line: float, sign: int) -> Ring:
    """The part of a ring on one side of a line: at more than ``line`` for sign 1, at less for -1."""
    kept: list[tuple[float, float]] = []
    for number, point in enumerate(ring):
        before = ring[number - 1]
        inside, was_inside = (sign * (p[axis] - line) >= 0 for p in (point, before))
        if inside != was_inside:
            share = (line - before[axis]) / (point[axis] - before[axis])
            crossing = [b + share * (p - b) for b, p in zip(before, point, strict=True)]
            crossing[axis] = line
            kept.append((crossing[0], crossing[1]))
        if inside:
            kept.append(point)
    return tuple(kept)
