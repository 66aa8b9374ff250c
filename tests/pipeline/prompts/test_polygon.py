"""How much of a polygon lies in a box, against counting fine samples."""

from __future__ import annotations

import numpy as np
import pytest
from skimage.draw import polygon2mask

from pipeline.prompts.polygon import Ring, Shape
from storage.box import Box

FINE = 16
"""samples along each axis of a pixel"""


def counted(rings: tuple[Ring, ...], box: Box) -> float:
    """Samples at the middles of sub-pixels that lie in the outer ring and in no hole."""
    masks = []
    for ring in rings:
        corners = (np.array(ring) - (box.top, box.left)) * FINE - 0.5
        masks.append(polygon2mask((box.height * FINE, box.width * FINE), corners))
    inside = masks[0]
    for hole in masks[1:]:
        inside = inside & ~hole
    return float(inside.sum()) / FINE**2


def star(y: float, x: float, radius: float, seed: int, corners: int = 9) -> Ring:
    """A ring that is bent in and out."""
    rng = np.random.default_rng(seed)
    angles = np.sort(rng.uniform(0, 2 * np.pi, corners))
    radii = rng.uniform(0.3, 1, corners) * radius
    return tuple((float(y + r * np.sin(a)), float(x + r * np.cos(a))) for a, r in zip(angles, radii, strict=True))


@pytest.mark.parametrize("seed", range(6))
def test_bent_polygons_with_holes(seed: int) -> None:
    rings = (star(20, 24, 20, seed), star(20, 24, 4, seed + 50))
    shape = Shape(polygons=(rings,))
    assert shape.area == pytest.approx(counted(rings, Box(top=-10, left=-10, height=60, width=70)), abs=2)
    for box in (Box(top=15, left=20, height=10, width=9), Box(top=0, left=0, height=20, width=24)):
        assert shape.area_in(box) == pytest.approx(counted(rings, box), abs=1)


def test_boxes_tile_the_area() -> None:
    shape = Shape(polygons=((star(30, 30, 28, 3, corners=17),), (star(90, 30, 25, 4),)))
    boxes = [Box(top=top, left=left, height=7, width=11) for top in range(0, 126, 7) for left in range(0, 66, 11)]
    assert sum(shape.area_in(box) for box in boxes) == pytest.approx(shape.area, rel=1e-9)


def test_a_rectangle_is_a_box_whichever_way_it_is_walked() -> None:
    ring = ((2.0, 3.0), (2.0, 9.0), (8.0, 9.0), (8.0, 3.0))
    box = Box(top=5, left=0, height=20, width=5)
    for one in (ring, ring[::-1], (*ring[1:], ring[0])):
        shape = Shape(polygons=((one,),))
        assert (shape.area, shape.area_in(box), shape.bounds) == (36, 6, (2, 3, 8, 9))
    assert shape.area_in(Box(top=8, left=3, height=5, width=5)) == 0
