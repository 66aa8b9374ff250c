"""What a plan will cost, before anything runs: forwards, bytes on disk, peak memory a worker."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pipeline.models.protocol import num_branches
from storage.box import Box

from .emptiness import is_region_empty, is_tile_empty, windows_decoded, windows_encoded
from .plan import Plan
from .reductions import list_reductions, shrink

_BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}

GATHERED = 6
"""copies of a dilation window at once: as read, padded, blurred along one axis and both, taken apart, and summed up"""
CODEC_CHANNELS = 420
"""channels alive at once at the output's resolution while a window is decoded: more than the embedded model's 150,
since Stable Diffusion's are wider and not yet measured"""
LIBRARIES = 900 << 20
"""bytes of a worker's libraries, of Ray in its process, and of heap that is free and not given back"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """A plan's cost. Bytes are bytes, not files' sizes on a compressing disk."""

    tiles: int
    """tiles of one step"""
    forwards: int
    """passes of the backbone over one tile, padding and guidance included; all tiles at all steps, so at most"""
    forwards_least: int
    """those of them that any picture takes, whatever the recipe spares"""
    dilated_forwards: int
    """those of them that see dilated samples"""
    region_steps: int
    encodes: float
    """runs of the autoencoder's encoder over the canvas, measuring included; windows' halos come on top"""
    decodes: float
    """the same of its decoder"""
    disk_peak: int
    """bytes of the run at its largest: input, conditioning, live latents and the decoded output"""
    memory_worker: int
    """peak bytes of one worker's process, libraries included"""
    memory_model: int
    """bytes of one model replica's weights"""


def price(plan: Plan) -> Price:
    """Count a plan's work and bytes without running any of it."""
    recipe, geometry, settings = plan.recipe, plan.geometry, plan.denoise_settings
    batches = sum(-(-count // settings.batch) * num for count, num in _num_seen(plan).items())
    dilated = 0 if plan.dilation is None else len(plan.dilation.batches(settings.batch))
    branches = settings.batch * num_branches(geometry, settings.guidance)
    each = branches * plan.num_steps
    return Price(
        tiles=plan.tiles.num_tiles,
        forwards=(batches + dilated) * each,
        forwards_least=branches * (batches * plan.least_steps + dilated * plan.num_steps),
        dilated_forwards=dilated * each,
        region_steps=plan.regions.num_regions * plan.num_steps,
        encodes=_runs(plan, "encoder") * share_encoded(plan) if plan.uses_coarse and not plan.lifts_latents else 0.0,
        decodes=_runs(plan, "decoder") * share_decoded(plan) if plan.stage.decodes else 0.0,
        disk_peak=_disk_peak(plan),
        memory_worker=LIBRARIES + _weights(plan) + max(denoise_bytes(plan), _codec_bytes(plan)),
        memory_model=geometry.cost.parameters * _BYTES[recipe.model.dtype or "float32"],
    )


def _num_seen(plan: Plan) -> Counter[int]:
    """How many regions own how many tiles that hold data, wherever they may move to."""
    if plan.image.occupancy is None:
        return plan.tiles.num_owned(plan.regions)
    boxes = map(plan.regions.box, range(plan.regions.num_regions))
    return Counter(
        sum(not is_tile_empty(plan, tile.box, plan.jitter) for tile in plan.tiles.owned_by(box)) for box in boxes
    )


def share_encoded(plan: Plan) -> float:
    """Of the canvas: what of the input is encoded, and restored before that."""
    return _share(plan, windows_encoded)


def share_decoded(plan: Plan) -> float:
    """Of the canvas: what is decoded, what regions see of each other left out."""
    return _share(plan, windows_decoded)


def _share(plan: Plan, windows: Callable[[Plan, Box], list[Box]]) -> float:
    regions = plan.regions
    if plan.image.occupancy is None:
        return 1.0
    boxes = (regions.box(region) for region in range(regions.num_regions) if not is_region_empty(plan, region))
    return sum(window.area for box in boxes for window in windows(plan, box)) / regions.canvas.area


def _runs(plan: Plan, half: str) -> float:
    """Runs of one half of the autoencoder over the canvas: to make its result, and to measure before that."""
    kinds = [reduction.kind for reduction in list_reductions(plan) if reduction.half == half]
    runs = 1.0 + kinds.count("colour")
    if "shrunk" in kinds:
        copy = shrink(plan, half)
        runs += copy.height * copy.width / copy.grid.canvas.area
    if "norm" in kinds:
        # a pass ends at the norm that it measures
        geometry = plan.geometry
        runs += geometry.cost.encoder_measuring if half == "encoder" else geometry.cost.decoder_measuring
    return runs


def latent_bytes(plan: Plan) -> int:
    """Bytes of one float32 copy of the whole latent canvas."""
    return plan.geometry.channels * plan.regions.canvas.area * 4


def _disk_peak(plan: Plan) -> int:
    copies = 3 + plan.solver().num_history + int(plan.uses_coarse)
    if plan.recipe.run.keep_steps:
        copies += plan.num_steps // plan.recipe.run.keep_steps
    sample = np.dtype(plan.image.dtype).itemsize
    pixels = plan.image.num_bands * sample * (plan.image.height * plan.image.width + plan.height_out * plan.width_out)
    edges = 0
    if plan.stage.before is not None and "edges" in plan.recipe.structure.shown:
        edges = plan.stage.height_before * plan.stage.width_before * plan.geometry.factor**2
    return copies * latent_bytes(plan) + pixels + edges


def _weights(plan: Plan) -> int:
    # loading holds the file's own copy of the largest part beside the converted one
    tagger = 0 if plan.tagger is None else plan.tagger.parameters * _BYTES["float32"]
    return int(1.5 * (plan.geometry.cost.parameters * _BYTES[plan.recipe.model.dtype or "float32"] + tagger))


def denoise_bytes(plan: Plan) -> int:
    """Peak bytes of one step's activations and arrays, beside weights and libraries."""
    settings, size, geometry = plan.denoise_settings, _BYTES[plan.recipe.model.dtype or "float32"], plan.geometry
    pixels, gathered = settings.tiles.tile_height * settings.tiles.tile_width, 0
    if (dilation := plan.dilation) is not None:
        height, width = dilation.sample_shape
        pixels = max(pixels, height * width)
        gathered = GATHERED * geometry.channels * dilation.windows.tile_height * dilation.windows.tile_width * 4
    features = settings.batch * pixels * geometry.cost.width * geometry.cost.live_features * size
    reach = geometry.channels * (plan.regions.side + settings.tiles.tile_width) ** 2 * 4
    return features + max(6 * reach, gathered)


def _codec_bytes(plan: Plan) -> int:
    geometry = plan.geometry
    side = min(geometry.codec.window, plan.regions.side, max(plan.regions.height, plan.regions.width))
    side = (side + 2 * max(geometry.codec.encoder_halo, geometry.codec.decoder_halo)) * geometry.factor
    size = _BYTES[plan.recipe.model.dtype or "float32"]
    region_out = 3 * (plan.regions.side * geometry.factor) ** 2 * 4
    return side * side * CODEC_CHANNELS * size + 2 * region_out
