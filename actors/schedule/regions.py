"""Which regions each task reads, along rows and along columns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from pipeline.plan.plan import Plan, prompting_regions
from pipeline.tasks.denoise import reach
from storage.box import Box, RegionGrid

from .relations import Places, through, turned


class Regions(NamedTuple):
    """What each place of readers reads: rows by columns."""

    rows: Sequence[Places]
    cols: Sequence[Places]

    def after(self, before: Regions) -> Regions:
        """What is read by what ``before`` reads."""
        return Regions(through(before.rows, self.rows), through(before.cols, self.cols))

    def turned(self, regions: RegionGrid) -> Regions:
        """Who reads each of the regions."""
        return Regions(turned(self.rows, regions.rows), turned(self.cols, regions.cols))


def regions_of(regions: RegionGrid, rows: int, cols: int, box_of: Callable[[int, int], Box | None]) -> Regions:
    """Regions under the boxes of a grid of readers, each of which is a row's span by a column's; None is no box."""
    down = [box_of(row, 0) for row in range(rows)]
    across = [box_of(0, col) for col in range(cols)]
    return Regions(
        [() if box is None else regions.rows_of(box) for box in down],
        [() if box is None else regions.cols_of(box) for box in across],
    )


def _of_regions(plan: Plan, box_of: Callable[[int], Box | None]) -> Regions:
    regions = plan.regions
    return regions_of(regions, regions.rows, regions.cols, lambda row, col: box_of(regions.index(row, col)))


def around(plan: Plan, halo: int) -> Regions:
    """Regions that lie in each region and so many latent pixels round it."""
    return _of_regions(plan, lambda region: plan.regions.box(region).grown(halo, plan.regions.canvas))


def seen_by_tiles(plan: Plan) -> Regions:
    """Regions that the tiles of each region touch; none for a region where no tile starts."""
    return _of_regions(plan, lambda region: reach(plan.tiles, plan.regions, region, plan.jitter))


def prompting_tiles(plan: Plan) -> Regions:
    """Regions whose prompts hold in the tiles of each region."""
    regions, by_tiles = plan.regions, seen_by_tiles(plan)
    axes = []
    for along, places in enumerate(by_tiles):
        each: list[Places] = []
        for place in range(len(places)):
            first = regions.index(*((place, 0) if along == 0 else (0, place)))
            box = reach(plan.tiles, regions, first, plan.jitter) if plan.has_places else None
            owners = [] if box is None else prompting_regions(plan, box)
            each.append(tuple(sorted({regions.position(owner)[along] for owner in owners})))
        axes.append(each)
    return Regions(*axes)


def merged_with(plan: Plan) -> Regions:
    """Regions whose latents and contributions each region's merge reads: itself, and with a guide its neighbours."""
    return _of_regions(plan, lambda region: plan.merge_window(plan.regions.box(region)))


def batch_shape(plan: Plan) -> tuple[int, int]:
    """Batches of dilated samples as rows and columns: a column a batch of a window."""
    dilation = plan.dilation
    if dilation is None:
        return 0, 0
    a_window = -(-dilation.num_samples // plan.denoise_settings.batch)
    return len(dilation.windows.tops), len(dilation.windows.lefts) * a_window


def _under_windows(plan: Plan, halo: int) -> Regions:
    """Regions under the window of each batch of dilated samples, and so many latent pixels round it."""
    dilation, regions = plan.dilation, plan.regions
    if dilation is None:
        return Regions([], [])
    windows, (rows, cols) = dilation.windows, batch_shape(plan)
    a_window = cols // len(windows.lefts)
    return regions_of(
        regions, rows, cols, lambda row, col: windows.tile(row, col // a_window).box.grown(halo, regions.canvas)
    )


def blur_halo(plan: Plan) -> int:
    """Latent pixels that the blur of dilated samples sees beyond a pixel."""
    return 0 if plan.dilation is None else plan.dilation.factor - 1


def seen_by_samples(plan: Plan) -> Regions:
    """Regions that each batch of dilated samples reads."""
    return _under_windows(plan, blur_halo(plan))


def given_by_samples(plan: Plan) -> Regions:
    """Regions that each batch's predictions go to."""
    return _under_windows(plan, 0)
