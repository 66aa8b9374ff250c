"""Where tiles are at a step, and what their predictions add up to beside dilated samples'."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from pipeline.geometry.blend import tile_weight
from pipeline.geometry.dilation import gather
from pipeline.models.families import analytic
from pipeline.plan.plan import Plan
from pipeline.sampling.decay import cosine_weight
from pipeline.tasks.combine import average, combine, tile_weights, tiles_at
from pipeline.tasks.contribution import Contribution
from pipeline.tasks.exchange import sample_batch, share_out
from storage.box import Box
from tests.support.tiny import small_plan

MODEL = dataclasses.replace(analytic.CARD, geometry=dataclasses.replace(analytic.GEOMETRY, window=16))


def plan_of(**recipe: object) -> Plan:
    settings = {"window": 16, "overlap": 8, "region": 24, "batch": 2, **recipe}
    return small_plan(height=61, width=83, model=MODEL, **settings)  # type: ignore[arg-type]


@pytest.mark.parametrize("jitter", ["none", "step", "stage"])
def test_weights_are_those_of_the_tiles_where_they_are(jitter: str) -> None:
    plan, canvas = plan_of(jitter=jitter), plan_of().regions.canvas
    for step in (0, 1):
        tiles = [tile for region in range(plan.regions.num_regions) for tile in tiles_at(plan, step, region)]
        assert len(tiles) == plan.tiles.num_tiles
        total = np.zeros(canvas.shape)
        for tile in tiles:
            assert canvas.contains(tile.box)
            total[tile.box.slices] += tile_weight(plan.recipe.tiles.blend, 16, 16)
        np.testing.assert_allclose(tile_weights(plan, step, canvas), total, rtol=1e-6)
        assert total.min() > 0
        part = Box(top=5, left=30, height=20, width=17)
        np.testing.assert_array_equal(tile_weights(plan, step, part), tile_weights(plan, step, canvas)[part.slices])


def test_tiles_move_anew_at_every_step_or_once_a_stage() -> None:
    moved = {jitter: [tiles_at(plan_of(jitter=jitter), step, 5) for step in (0, 1)] for jitter in ("step", "stage")}
    assert moved["step"][0] != moved["step"][1]
    assert moved["stage"][0] == moved["stage"][1]


def test_samples_count_by_the_cosine() -> None:
    """(1 - c) tiles + c samples, where both are known pictures."""
    plan = plan_of(dilated=2.0)
    dilation, regions, channels = plan.dilation, plan.regions, plan.geometry.channels
    assert dilation is not None
    box, step = regions.box(0), 1
    values = np.random.default_rng(0).normal(size=(channels, *regions.canvas.shape)).astype(np.float32)
    tiles = Contribution(box=box, total=np.broadcast_to(3 * tile_weights(plan, step, box), (channels, *box.shape)))
    samples = []
    for number in range(len(dilation.batches(2))):
        batch = sample_batch(plan, number, None)
        made = share_out(batch, batch.pick(gather(dilation, values)), regions)
        samples += [one for one in made if box.contains(one.box)]
    found = combine(plan, step, [tiles, *samples], box, channels)
    share = cosine_weight(plan.timesteps[step], 2.0)
    assert 0 < share < 1
    np.testing.assert_allclose(found, (1 - share) * 3 + share * values[:, *box.slices], rtol=1e-5, atol=1e-6)


def test_regions_are_summed_in_their_order_in_single_precision() -> None:
    """3e8 + 1 - 3e8 is 0 in that order; every box adds the same up, cut at its own edges."""
    parts = [
        Box(top=0, left=0, height=4, width=6),
        Box(top=1, left=2, height=5, width=6),
        Box(top=0, left=3, height=6, width=2),
    ]
    contributions = [
        Contribution(box=part, total=np.full((2, *part.shape), value, np.float32))
        for part, value in zip(parts, (3e8, 1.0, -3e8), strict=True)
    ]
    box = Box(top=1, left=1, height=4, width=6)
    weights = np.arange(1, 25, dtype=np.float32).reshape(4, 6)
    found = average(contributions, box, weights, 2)
    assert found.dtype == np.float32
    total = np.zeros((6, 8), np.float32)
    for one in contributions:
        total[one.box.slices] += one.total[1]
    np.testing.assert_array_equal(found[1], total[box.slices] / weights)
    assert found[1, 0, 2] == 0


@pytest.mark.parametrize("jitter", ["none", "step"])
def test_weights_of_tiles_that_are_not_square(jitter: str) -> None:
    settings = {"window": 16, "overlap": 8, "region": 24, "jitter": jitter}
    plan = small_plan(height=13, width=83, model=MODEL, **settings)
    assert (plan.tiles.tile_height, plan.tiles.tile_width) == (13, 16)
    canvas, total = plan.regions.canvas, np.zeros((13, 83))
    for region in range(plan.regions.num_regions):
        for tile in tiles_at(plan, 1, region):
            total[tile.box.slices] += tile_weight(plan.recipe.tiles.blend, 13, 16)
    found = tile_weights(plan, 1, canvas)
    np.testing.assert_allclose(found, total, rtol=1e-6)
    assert found.dtype == np.float32


def test_sums_are_taken_in_the_order_that_is_given() -> None:
    """Of float32: 1 is lost beside 2^25, and not beside what is left when that is taken away."""
    box = Box(top=0, left=0, height=1, width=1)
    parts = [Contribution(box=box, total=np.full((1, 1, 1), value, np.float32)) for value in (2.0**25, 1.0, -(2.0**25))]
    weights = np.ones((1, 1), np.float32)
    assert average(parts, box, weights, 1).item() == 0.0
    assert average([parts[0], parts[2], parts[1]], box, weights, 1).item() == 1.0
    assert average([parts[1], parts[0], parts[2]], box, weights, 1).item() == 0.0
    assert average([parts[2], parts[0], parts[1]], box, weights, 1).item() == 1.0
