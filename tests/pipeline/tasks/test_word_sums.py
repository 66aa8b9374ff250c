"""Maps summed over tiles, regions and steps, against the same sum over single latent pixels."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from pipeline.geometry.blend import tile_weight
from pipeline.geometry.tiles import Tile, plan_tiles
from pipeline.models.families import analytic
from pipeline.tasks.combine import tiles_at
from pipeline.tasks.contribution import Contribution
from pipeline.tasks.denoise import reach
from pipeline.tasks.word_sums import WordSums, average_words, cell_grid, cells_over, sum_words
from storage.box import Box, RegionGrid
from tests.support.geometries import altered
from tests.support.tiny import small_plan

TOKENS, CELL = 3, 4


def sums_of(tiles: list[Tile], maps: dict[Tile, np.ndarray], blend: str, seen: Box) -> WordSums:
    sums = WordSums(tokens=TOKENS, cell=CELL, blend=blend, extent=seen)
    # a short batch is filled up with its last tile
    filled = [*tiles, tiles[-1]]
    sums.add(filled, np.stack([maps[tile] for tile in filled]))
    return sums


@pytest.mark.parametrize("blend", ["uniform", "cosine"])
def test_equals_a_weighted_mean_of_latent_pixels(blend: str) -> None:
    """Tiles at offsets that are no multiples of a cell, regions of one size, and a region that ends early."""
    regions = RegionGrid(height=28, width=44, side=16)
    tiles, rng = plan_tiles(28, 44, window=16, stride=9), np.random.default_rng(0)
    every = [tiles.tile(row, col) for row in range(len(tiles.tops)) for col in range(len(tiles.lefts))]
    assert any(tile.box.left % CELL for tile in every)
    maps = {tile: rng.random((TOKENS, 4, 4)).astype(np.float32) for tile in every}
    total, weights = np.zeros((TOKENS, 28, 44)), np.zeros((28, 44))
    for tile, own in maps.items():
        ys, xs = tile.box.slices
        weight = tile_weight(blend, 16, 16)
        total[:, ys, xs] += weight * own.repeat(CELL, 1).repeat(CELL, 2)
        weights[ys, xs] += weight
    total, weights = (a.reshape(*a.shape[:-2], 7, CELL, 11, CELL).sum((-3, -1)) for a in (total, weights))

    contributions: dict[int, list[Contribution]] = {region: [] for region in range(regions.num_regions)}
    for region in range(regions.num_regions):
        owned = tiles.owned_by(regions.box(region))
        if owned:
            last = owned[-1].box
            top, left = owned[0].box.top, owned[0].box.left
            seen = Box(top=top, left=left, height=last.bottom - top, width=last.right - left)
            sums = sums_of(owned, maps, blend, seen)
            for destination in regions.overlapping(seen):
                part = regions.box(destination).intersection(seen)
                assert part is not None
                empty = np.zeros((1, *part.shape), dtype=np.float32)
                contributions[destination].append(Contribution(box=part, total=empty, words=sums.part(part)))
    grid = cell_grid(regions, CELL)
    assert (grid.height, grid.width, grid.num_regions) == (7, 11, regions.num_regions)
    for region, given in contributions.items():
        box = regions.box(region)
        assert cells_over(box, CELL) == grid.box(region)
        found = average_words(given, box, CELL)
        ys, xs = grid.box(region).slices
        np.testing.assert_allclose(found, (total / weights)[:, ys, xs], rtol=1e-5)


def test_a_tile_that_fits_the_cells_is_its_own_map() -> None:
    """One tile over the whole canvas, as in the first stage: the average is what the model said."""
    own = np.random.default_rng(1).random((TOKENS, 4, 6)).astype(np.float32)
    box = Box(top=0, left=0, height=16, width=24)
    tile = Tile(row=0, col=0, box=box)
    sums = sums_of([tile], {tile: own}, "cosine", box)
    given = Contribution(box=box, total=np.zeros((1, 16, 24), dtype=np.float32), words=sums.part(box))
    np.testing.assert_allclose(average_words([given], box, CELL), own, rtol=1e-6)


def test_tiles_that_hang_out_of_the_canvas() -> None:
    """As the published code moves them: what lies outside is left out, and even maps stay even."""
    model = dataclasses.replace(
        analytic.CARD, geometry=altered(analytic.GEOMETRY, window=16, text_tokens=TOKENS, word_cell=CELL)
    )
    recipe = {"compat": "official", "solver": "euler", "jitter": "step", "collect_words": True, "skip": 3.0}
    plan = small_plan(height=32, width=40, model=model, window=16, overlap=8, region=16, **recipe)
    every = [tile for region in range(plan.regions.num_regions) for tile in tiles_at(plan, 0, region)]
    assert any(not plan.regions.canvas.contains(tile.box) for tile in every)
    contributions: dict[int, list[Contribution]] = {region: [] for region in range(plan.regions.num_regions)}
    for region in range(plan.regions.num_regions):
        seen = reach(plan.tiles, plan.regions, region, plan.jitter)
        if seen is None:
            continue
        owned, sums = tiles_at(plan, 0, region), sum_words(plan, seen)
        sums.add(owned, np.ones((len(owned), TOKENS, 4, 4), dtype=np.float32))
        for destination in plan.regions.overlapping(seen):
            part = plan.regions.box(destination).intersection(seen)
            assert part is not None
            empty = np.zeros((1, *part.shape), dtype=np.float32)
            contributions[destination].append(Contribution(box=part, total=empty, words=sums.part(part)))
    for region, given in contributions.items():
        np.testing.assert_allclose(average_words(given, plan.regions.box(region), CELL), 1, rtol=1e-6)


def test_moved_tiles_have_room_on_every_side() -> None:
    """Of a region that sees more along x than along y, or the other way round: the jitter more, each way."""
    model = dataclasses.replace(
        analytic.CARD, geometry=altered(analytic.GEOMETRY, window=16, text_tokens=TOKENS, word_cell=CELL)
    )
    recipe = {"compat": "official", "solver": "euler", "jitter": "step", "collect_words": True, "skip": 3.0}
    plan = small_plan(height=32, width=40, model=model, window=16, overlap=8, region=16, **recipe)
    assert plan.jitter == 2
    for seen in (Box(top=8, left=4, height=16, width=28), Box(top=4, left=8, height=28, width=16)):
        sums = sum_words(plan, seen)
        wide = Box(top=seen.top - 2, left=seen.left - 2, height=seen.height + 4, width=seen.width + 4)
        own = np.ones((1, TOKENS, 4, 4), dtype=np.float32)
        for top, left in ((wide.top, wide.left), (wide.bottom - 16, wide.right - 16)):
            sums.add([Tile(row=top, col=left, box=Box(top=top, left=left, height=16, width=16))], own)
        np.testing.assert_array_equal(sums.part(seen).shape[1:], cells_over(seen, CELL).shape)


def test_cells_of_a_box_by_a_loop() -> None:
    for box in (Box(top=3, left=8, height=6, width=1), Box(top=0, left=5, height=4, width=9)):
        found = cells_over(box, CELL)
        rows, cols = (
            {place // CELL for place in axis} for axis in (range(box.top, box.bottom), range(box.left, box.right))
        )
        assert (found.top, found.bottom, found.left, found.right) == (
            min(rows),
            max(rows) + 1,
            min(cols),
            max(cols) + 1,
        )
