"""The average over any box is that part of the average over the canvas, bit for bit."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.geometry.blend import weight_sum
from pipeline.geometry.tiles import plan_tiles
from pipeline.plan.facts import DenoiseSettings
from pipeline.tasks.contribution import Contribution
from pipeline.tasks.denoise import denoise_region, reach
from pipeline.tasks.merge import average
from storage.box import Box, RegionGrid

HEIGHT, WIDTH = 37, 50
GRID = RegionGrid(height=HEIGHT, width=WIDTH, side=16)
TILES = plan_tiles(HEIGHT, WIDTH, window=12, stride=7)


def contributions() -> list[Contribution]:
    """In plan order, of a made-up model."""
    settings = DenoiseSettings(tiles=TILES, regions=GRID, batch=4, guidance=1.0, blend="cosine")
    z = np.random.default_rng(0).standard_normal((3, HEIGHT, WIDTH)).astype(np.float32)
    made: list[Contribution] = []
    for region in range(GRID.num_regions):
        seen = reach(TILES, GRID, region)
        if seen is not None:
            owned = TILES.owned_by(GRID.box(region))
            found = denoise_region(settings, owned, seen, z[:, *seen.slices], lambda _, latents: latents.sin())
            made += [found[destination] for destination in sorted(found)]
    return made


MADE = contributions()


def averaged(box: Box, made: list[Contribution]) -> np.ndarray:
    return average(made, box, weight_sum("cosine", TILES, GRID.canvas, box), channels=3)


@settings(max_examples=60, deadline=None)
@given(top=st.integers(0, 36), left=st.integers(0, 49), height=st.integers(1, 37), width=st.integers(1, 50))
def test_boxes_have_the_bytes_of_the_canvas(top: int, left: int, height: int, width: int) -> None:
    """Whether the contributions that do not touch the box are among them or not."""
    box = Box(top=top, left=left, height=min(height, HEIGHT - top), width=min(width, WIDTH - left))
    expected = averaged(GRID.canvas, MADE)[:, *box.slices]
    assert np.array_equal(averaged(box, MADE), expected)
    near = {*GRID.overlapping(box)}
    touching = [one for one in MADE if GRID.owner(one.box.top, one.box.left) in near]
    assert np.array_equal(averaged(box, touching), expected)


def test_another_order_of_contributions_has_other_bytes() -> None:
    """Negative control."""
    assert not np.array_equal(averaged(GRID.canvas, MADE[::-1]), averaged(GRID.canvas, MADE))
