"""Where an image holds no data, and nothing need be computed: tiles, windows of the autoencoder and whole regions.

A tile is empty where it holds no data: then its latents are the coarse ones, of a picture whose holes are filled. Where
there is no coarse latent, what the autoencoder sees round it holds none either. A box of latents is empty where that is
so of every tile that touches it, and of all that its output depends on: what it holds is then never read for a pixel
that is data. Of what is decoded, less is read: what the colours and the finishing of a pixel see.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import replace

from storage.box import Box, cells

from .plan import Plan

LEAST = 16
"""latent pixels: windows are halved down to sides of no less"""


def is_tile_empty(plan: Plan, box: Box, margin: int = 0) -> bool:
    """Of a tile's box of latent pixels; ``margin``: latent pixels that it may move each way."""
    codec = plan.geometry.codec
    seen = 0 if plan.denoise_reads_coarse else max(codec.encoder_halo, codec.decoder_halo)
    return not _holds(plan, box, margin + seen)


def is_region_empty(plan: Plan, region: int) -> bool:
    """Of a region of the latent canvas."""
    return is_box_empty(plan, plan.regions.box(region))


def is_box_empty(plan: Plan, box: Box) -> bool:
    """Whether the latents of a box, coarse ones and those of any step, are read for no pixel that is data."""
    codec, tiles = plan.geometry.codec, plan.tiles
    side = max(tiles.tile_height, tiles.tile_width, plan.prompt_tiles.tile_height, plan.prompt_tiles.tile_width)
    seen = max(codec.encoder_halo, codec.decoder_halo, plan.decode_halo)
    # low frequencies are drawn from two cells away: see imaging.frequency
    low = 2 * plan.recipe.guidance.low_cell if plan.is_guided or plan.recipe.stages.lift == "mixed" else 0
    return not _holds(plan, box, side + plan.jitter + 2 * seen + low)


def is_decoded_empty(plan: Plan, box: Box) -> bool:
    """Whether what is decoded of a box of latents is read for no pixel that is data."""
    return not _holds(plan, box, plan.decode_halo)


def windows_encoded(plan: Plan, box: Box) -> list[Box]:
    """What is to be encoded of a box of latents, in windows of the autoencoder: all that is read for data."""
    restorer = -(-(plan.geometry.restorer_halo or 0) * plan.scale // plan.geometry.factor)
    return _windows(plan, box, is_box_empty, plan.geometry.codec.encoder_halo + restorer)


def windows_decoded(plan: Plan, box: Box) -> list[Box]:
    """What is to be decoded of a box of latents, likewise."""
    return _windows(plan, box, is_decoded_empty, plan.geometry.codec.decoder_halo)


def _windows(plan: Plan, box: Box, is_empty: Callable[[Plan, Box], bool], halo: int) -> list[Box]:
    whole = cells(box, plan.geometry.codec.window)
    if plan.image.occupancy is None:
        return list(whole)
    return [window for cell in whole for window in cover(cell, functools.partial(is_empty, plan), halo)]


def cover(box: Box, is_empty: Callable[[Box], bool], halo: int) -> list[Box]:
    """Windows over all that is not empty of a box, halved again and again where that is less work, halos included.

    >>> left = lambda box: box.left >= 64
    >>> [window.width for window in cover(Box(top=0, left=0, height=128, width=128), left, 4)]
    [64]
    """
    if is_empty(box):
        return []
    if max(box.shape) < 2 * LEAST:
        return [box]
    first, second = _halves(box)
    parts = cover(first, is_empty, halo) + cover(second, is_empty, halo)
    work = sum((part.height + 2 * halo) * (part.width + 2 * halo) for part in parts)
    return parts if work < (box.height + 2 * halo) * (box.width + 2 * halo) else [box]


def _halves(box: Box) -> tuple[Box, Box]:
    """Along the longer side, about its middle."""
    if box.height >= box.width:
        upper = box.height // 2 // LEAST * LEAST
        return replace(box, height=upper), replace(box, top=box.top + upper, height=box.height - upper)
    left = box.width // 2 // LEAST * LEAST
    return replace(box, width=left), replace(box, left=box.left + left, width=box.width - left)


def _holds(plan: Plan, box: Box, margin: int) -> bool:
    """Whether the input holds data under a box of latent pixels and so many of them round it."""
    occupancy = plan.image.occupancy
    if occupancy is None:
        return True
    wide = box.grown(margin, plan.regions.canvas).scaled(plan.geometry.factor)
    return occupancy.holds(wide.shrunk(plan.scale))
