"""Looking at a run in progress: the latents of one step, decoded as far as they are there.

Group norms of an autoencoder see one window here, whatever the recipe says: the canvas's statistics are not there yet.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from actors.building import check_model
from actors.names import latent_name
from pipeline.backbone import Backbone
from pipeline.backbones.loading import describe_model, load_backbone
from pipeline.codec import decode_box
from pipeline.pixels import from_rgb
from pipeline.plan import Plan, plan_from_json
from storage.arrays import RegionArray
from storage.box import Box
from storage.images import ImageInfo, check_output, write_image
from storage.images.georeference import GeoReference

from .begun import open_begun


def decode_step(
    run: str, step: int, output: str, *, model: str, overwrite: bool, allow_pickle: bool = False
) -> tuple[int, int]:
    """Write the picture of one step's latents; returns how many regions were there, and of how many.

    ``run``: of a series, its furthest stage.

    Raises ValueError for a step the plan does not have or of which nothing is kept, FileNotFoundError for no run.
    """
    check_output(output, overwrite=overwrite)
    store, record = open_begun(run)
    plan = plan_from_json(record)
    if not 0 <= step <= plan.num_steps:
        raise ValueError(f"step must be between 0 and {plan.num_steps} for this run, got {step}")
    array = store.open_array(latent_name(step))
    there = array.regions()
    if not there:
        kept = [s for s in range(plan.num_steps + 1) if store.open_array(latent_name(s)).regions()]
        raise ValueError(f"no region of {store.url} is at step {step}; there is something of steps {kept or 'none'}")
    card = describe_model(model, allow_pickle=allow_pickle)
    check_model(card, plan)
    backbone = load_backbone(card, device="cpu", dtype=plan.recipe.dtype or "float32")
    info = plain_info(plan)
    write_image(
        output,
        info,
        plan.scale,
        _rows(plan, array, there, backbone),
        height=plan.height_out,
        width=plan.width_out,
        overwrite=overwrite,
    )
    return len(there), plan.regions.num_regions


def plain_info(plan: Plan) -> ImageInfo:
    """What a picture carries that no image stands behind: neither a georeference nor a profile."""
    return ImageInfo(
        path="",
        driver="",
        height=plan.image.height,
        width=plan.image.width,
        num_bands=3,
        dtype=plan.image.dtype,
        has_alpha=False,
        geo=GeoReference(),
        nodata=None,
        descriptions=(None, None, None),
        icc=None,
        dpi=None,
    )


def _rows(plan: Plan, array: RegionArray, there: set[int], backbone: Backbone) -> Iterator[tuple[Box, np.ndarray]]:
    grid = plan.out_regions
    for row in range(grid.rows):
        band = Box(top=row * grid.side, left=0, height=min(grid.side, grid.height - row * grid.side), width=grid.width)
        pixels = np.zeros((3, *band.shape), dtype=plan.image.dtype)
        for col in range(grid.cols):
            region = grid.index(row, col)
            if region in there:
                pixels[:, *grid.box(region).within(band)] = _decode(plan, array, there, region, backbone)
        yield band, pixels


def _decode(plan: Plan, array: RegionArray, there: set[int], region: int, backbone: Backbone) -> np.ndarray:
    box, factor = plan.regions.box(region), plan.geometry.factor

    def read(wide: Box) -> np.ndarray:
        """Latents over the box and its halo; a neighbour that is not there repeats this region's edge."""
        if all(neighbour in there for neighbour in plan.regions.overlapping(wide)):
            return array.read(wide)
        own = array.read(box)
        ys = np.clip(np.arange(wide.top, wide.bottom), box.top, box.bottom - 1) - box.top
        xs = np.clip(np.arange(wide.left, wide.right), box.left, box.right - 1) - box.left
        return own[:, ys][:, :, xs]

    rgb = decode_box(read, backbone.decode, plan.geometry, plan.regions.canvas, box)
    ys, xs = plan.out_regions.box(region).within(box.scaled(factor))
    return plan.value_range.from_unit(from_rgb(rgb[:, ys, xs], 3))
