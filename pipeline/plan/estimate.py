"""How long a plan will take: its FLOPs, counted before the first forward, over the speed of the device.

Not counted: starting workers, loading weights, reading and writing, taggers and text encoders.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pipeline.models.family import Family, Pass
from pipeline.models.flops import count_codec, count_pass, count_restoration

from .cost import Price
from .detail import draws_detail, restored_halo
from .plan import Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """Work and speed."""

    flops: float
    speed: float
    """FLOPs a second of one worker"""
    workers: int
    """that have work at once"""

    @property
    def seconds(self) -> float:
        return self.flops / (self.speed * self.workers)


def count_flops(plan: Plan, cost: Price, family: Family, folder: Path) -> float | None:
    """FLOPs of a whole plan: the model's passes, the autoencoder's and what restores the input.

    None for a family that is not counted.

    ``family``, ``folder``: the model's, and the folder of its configs. Where tiles rest, it is the most.
    """
    recipe, tiles, tokens = plan.recipe, plan.tiles, plan.geometry.inputs.text_tokens or 0
    near = None if recipe.tiles.attend == "tiles" else recipe.tiles.attention_window
    shows, imagines = len(recipe.structure.shown), not plan.model_reads_coarse
    tile = Pass(height=tiles.tile_height, width=tiles.tile_width, neighbourhood=near, shows=shows, imagines=imagines)
    each = count_pass(family, folder, tokens, tile)
    if each is None:
        return None
    total = float((cost.forwards - cost.dilated_forwards) * each)
    if plan.dilation is not None:
        height, width = plan.dilation.sample_shape
        sampled = Pass(height=height, width=width, imagines=imagines)
        sample = count_pass(family, folder, tokens, sampled)
        total += cost.dilated_forwards * (sample or 0)
    for half, runs in (("encoder", cost.encodes), ("decoder", cost.decodes)):
        if runs:
            total += runs * _count_canvas(plan, family, folder, half)
    if recipe.sampling.coarse == "restored":
        total += cost.encodes * _count_restored(plan, family, folder)
    return total


def _count_canvas(plan: Plan, family: Family, folder: Path, half: str) -> int:
    """FLOPs of one part of the autoencoder over the canvas, window by window, halos among them."""
    geometry = plan.geometry
    halo = geometry.codec.encoder_halo if half == "encoder" else geometry.codec.decoder_halo
    num, sides = _windows(plan, halo)
    each = count_codec(family, folder, half, *(-(-side // geometry.multiple) * geometry.multiple for side in sides))
    return num * (each or 0)


def _count_restored(plan: Plan, family: Family, folder: Path) -> int:
    """FLOPs of what restores the input under the windows that are encoded, halos among them."""
    geometry, halo = plan.geometry, restored_halo(plan)
    num, sides = _windows(plan, geometry.codec.encoder_halo)
    inputs = (-(-side * geometry.factor // plan.scale) + 2 * halo for side in sides)
    height, width = map(min, inputs, (plan.image.height, plan.image.width))
    return num * (count_restoration(family, folder, height, width, draws=draws_detail(plan)) or 0)


def _windows(plan: Plan, halo: int) -> tuple[int, tuple[int, ...]]:
    """How many windows of the autoencoder cover the canvas, and latent pixels along the axes of one with its halo."""
    regions, lengths = plan.regions, (plan.regions.height, plan.regions.width)
    cell = min(plan.geometry.codec.window, regions.side)
    down, across = (-(-length // cell) for length in lengths)
    return down * across, tuple(min(cell + 2 * halo, length) for length in lengths)
