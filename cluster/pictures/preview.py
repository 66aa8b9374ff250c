"""Looking at a run in progress: the latents of one step, decoded as far as they are there.

Group norms of an autoencoder see one window here, whatever the recipe says: the canvas's statistics are not there yet.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from actors.artifacts.layout import OUT, latent_name
from actors.artifacts.series import open_begun
from actors.work.building import check_model
from pipeline.imaging.pixels import from_rgb
from pipeline.models.protocol import Backbone
from pipeline.models.registry import describe_model, load_backbone
from pipeline.plan.plan import Plan
from pipeline.plan.record import plan_from_json
from pipeline.tasks.codec import decode_box
from storage.arrays import RegionArray
from storage.box import Box
from storage.errors import MissingRegionError
from storage.images import ImageInfo, check_output, write_image
from storage.images.georeference import GeoReference
from storage.run import RunStore

from .origin import describe_provenance


@dataclass(slots=True, kw_only=True)
class Shown:
    """How many regions of a step a picture shows."""

    total: int
    """regions of the canvas"""
    decoded: int = 0
    vanished: int = 0
    """regions that were there at first, and were deleted before they could be read: the run went on without them"""


def decode_step(run: str, step: int, output: str, *, model: str, overwrite: bool, allow_pickle: bool = False) -> Shown:
    """Write the picture of one step's latents, as far as they are there and stay there: a run may be at work on them.

    ``run``: of a series, its furthest stage.

    Raises ValueError for a step the plan does not have, or of which nothing is there, FileNotFoundError for no run.
    """
    check_output(output, overwrite=overwrite, inputs=[run, model])
    store, record = open_begun(run)
    plan = plan_from_json(record, where=f"{store.url}/plan.json")
    if not 0 <= step <= plan.num_steps:
        raise ValueError(f"step must be between 0 and {plan.num_steps} for this run, got {step}")
    there = _regions(store, latent_name(step))
    if not there:
        kept = [s for s in range(plan.num_steps + 1) if _regions(store, latent_name(s))]
        if not kept and not _regions(store, OUT):
            raise ValueError(f"{store.url} is not begun yet: it has a plan and no latents so far; look again later")
        raise ValueError(f"no region of {store.url} is at step {step}; there is something of steps {kept or 'none'}")
    card = describe_model(model, allow_pickle=allow_pickle, strict=not plan.dropped)
    check_model(card, plan)
    backbone = load_backbone(card, device="cpu", dtype=plan.recipe.model.dtype or "float32")
    info, shown = plain_info(plan), Shown(total=plan.regions.num_regions)
    write_image(
        output,
        info,
        plan.scale,
        _rows(plan, store.open_array(latent_name(step)), there, backbone, shown),
        height=plan.height_out,
        width=plan.width_out,
        overwrite=overwrite,
        provenance=describe_provenance(plan, info),
    )
    return shown


def _regions(store: RunStore, name: str) -> set[int]:
    """Regions that are there of an array; a run makes its arrays one after another."""
    return store.open_array(name).regions() if store.has_array(name) else set()


def plain_info(plan: Plan, num_bands: int = 3) -> ImageInfo:
    """What a picture carries that no image stands behind: neither a georeference nor a profile."""
    return ImageInfo(
        path="",
        driver="",
        height=plan.image.height,
        width=plan.image.width,
        num_bands=num_bands,
        dtype=plan.image.dtype,
        has_alpha=False,
        geo=GeoReference(),
        nodata=None,
        descriptions=(None,) * num_bands,
        icc=None,
        dpi=None,
    )


def _rows(
    plan: Plan, array: RegionArray, there: set[int], backbone: Backbone, shown: Shown
) -> Iterator[tuple[Box, np.ndarray]]:
    grid = plan.out_regions
    for row in range(grid.rows):
        band = grid.band(row)
        pixels = np.zeros((3, *band.shape), dtype=plan.image.dtype)
        for col in range(grid.cols):
            region = grid.index(row, col)
            if region not in there:
                continue
            try:
                pixels[:, *grid.box(region).within(band)] = _decode(plan, array, there, region, backbone)
                shown.decoded += 1
            except MissingRegionError:
                shown.vanished += 1
        yield band, pixels


def _decode(plan: Plan, array: RegionArray, there: set[int], region: int, backbone: Backbone) -> np.ndarray:
    box, factor = plan.regions.box(region), plan.geometry.factor

    def read(wide: Box) -> np.ndarray:
        """Latents over the box and its halo; a neighbour that is not there repeats this region's edge."""
        if all(neighbour in there for neighbour in plan.regions.overlapping(wide)):
            try:
                return array.read(wide)
            except MissingRegionError:
                pass  # deleted meanwhile
        own = array.read(box)
        ys = np.clip(np.arange(wide.top, wide.bottom), box.top, box.bottom - 1) - box.top
        xs = np.clip(np.arange(wide.left, wide.right), box.left, box.right - 1) - box.left
        return own[:, ys][:, :, xs]

    rgb = decode_box(read, backbone.decode, plan.geometry, plan.regions.canvas, box)
    ys, xs = plan.out_regions.box(region).within(box.scaled(factor))
    return plan.value_range.from_unit(from_rgb(rgb[:, ys, xs], 3))
