"""Where tiles are at a step, and the one prediction that a region's contributions add up to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from pipeline.geometry.blend import tile_weight, weight_sum
from pipeline.geometry.jitter import draw_jitter, move
from pipeline.geometry.tiles import Tile
from pipeline.plan.plan import Plan
from pipeline.sampling.decay import cosine_weight
from storage.box import Box

from .contribution import Contribution


def tiles_at(plan: Plan, step: int, region: int) -> list[Tile]:
    """The tiles that a region owns, row-major, where they are at a step."""
    return [_moved(plan, step, tile) for tile in plan.tiles.owned_by(plan.regions.box(region))]


def _moved(plan: Plan, step: int, tile: Tile) -> Tile:
    if not plan.jitter:
        return tile
    drawn_at = step if plan.recipe.tiles.jitter == "step" else 0
    by = draw_jitter(plan.recipe.run.seed, plan.stage.index, drawn_at, tile, plan.jitter)
    return move(tile, plan.tiles, by, plan.regions.canvas, beyond=plan.recipe.run.compat == "official")


def tile_weights(plan: Plan, step: int, box: Box) -> np.ndarray:
    """The sum of all tiles' weights at a step over a box: ``[y, x] float32``, positive everywhere."""
    tiles, canvas = plan.tiles, plan.regions.canvas
    if not plan.jitter:
        return weight_sum(plan.recipe.tiles.blend, tiles, canvas, box)
    weight = tile_weight(plan.recipe.tiles.blend, tiles.tile_height, tiles.tile_width).astype(np.float64)
    total = np.zeros(box.shape)
    for moved in _tiles_over(plan, step, box):
        overlap = moved.intersection(box)
        if overlap is not None:
            total[overlap.within(box)] += weight[overlap.within(moved)]
    return total.astype(np.float32)


def _tiles_over(plan: Plan, step: int, box: Box) -> Iterator[Box]:
    """Where the tiles are at a step that can reach a box, and some that do not."""
    tiles = plan.tiles
    # a tile's corner is what owns it: those that can reach the box begin less than a tile before it
    before = Box(
        top=box.top - tiles.tile_height - plan.jitter,
        left=box.left - tiles.tile_width - plan.jitter,
        height=box.height + tiles.tile_height + 2 * plan.jitter,
        width=box.width + tiles.tile_width + 2 * plan.jitter,
    )
    return (_moved(plan, step, tile).box for tile in tiles.owned_by(before))


def tile_counts(plan: Plan, step: int, box: Box) -> np.ndarray:
    """How many tiles lie over each place of a box at a step: ``[y, x]``."""
    counts = np.zeros(box.shape, int)
    for moved in _tiles_over(plan, step, box):
        overlap = moved.intersection(box)
        if overlap is not None:
            counts[overlap.within(box)] += 1
    return counts


def average(contributions: Sequence[Contribution], box: Box, weights: np.ndarray, channels: int) -> np.ndarray:
    """The averaged prediction ``[c, y, x] float32`` over any box: a region, or more.

    ``contributions`` are all that touch the box, in plan order (row-major by the region that made them): float32 sums
    depend on it, and so two boxes have the same bytes where they overlap. ``weights``: [y, x] float32 over the box, the
    sum of all tiles' weights, positive everywhere.
    """
    total = np.zeros((channels, *box.shape), dtype=np.float32)
    for contribution in contributions:
        overlap = contribution.box.intersection(box)
        if overlap is not None:
            total[:, *overlap.within(box)] += contribution.dense()[:, *overlap.within(contribution.box)]
    return total / weights


def combine(plan: Plan, step: int, contributions: Sequence[Contribution], box: Box, channels: int) -> np.ndarray:
    """The prediction ``[c, y, x] float32`` over a region, from contributions in plan order.

    (1 - c) tiles + c dilated samples, c = cosine ** dilated (DemoFusion, equation 6); each of them averaged by its own
    weights.
    """
    tiles = [one for one in contributions if not one.is_dilated]
    prediction = average(tiles, box, tile_weights(plan, step, box), channels)
    dilation = plan.dilation
    if dilation is None:
        return prediction
    samples = [one for one in contributions if one.is_dilated]
    dilated = average(samples, box, dilation.weight_sum(plan.regions.canvas, box), channels)
    share = np.float32(cosine_weight(plan.timesteps[step], plan.recipe.dilation.power))
    combined: np.ndarray = (1 - share) * prediction + share * dilated
    return combined
