"""Where an image holds no data, and nothing need be computed: tiles and whole regions.

A tile is empty where it holds no data: then its latents are the coarse ones, of a picture whose holes are filled. Where
there is no coarse latent, what the autoencoder sees round it holds none either. A region is empty where that is so
of every tile that touches it, and of all that its output depends on: what it holds is then never read for a pixel
that is data.
"""

from __future__ import annotations

from storage.box import Box

from .plan import Plan


def is_tile_empty(plan: Plan, box: Box, margin: int = 0) -> bool:
    """Of a tile's box of latent pixels; ``margin``: latent pixels that it may move each way."""
    codec = plan.geometry.codec
    seen = 0 if plan.denoise_reads_coarse else max(codec.encoder_halo, codec.decoder_halo)
    return not _holds(plan, box, margin + seen)


def is_region_empty(plan: Plan, region: int) -> bool:
    """Of a region of the latent canvas."""
    codec, tiles = plan.geometry.codec, plan.tiles
    side = max(tiles.tile_height, tiles.tile_width, plan.prompt_tiles.tile_height, plan.prompt_tiles.tile_width)
    seen = max(codec.encoder_halo, codec.decoder_halo, plan.decode_halo)
    return not _holds(plan, plan.regions.box(region), side + plan.jitter + 2 * seen)


def _holds(plan: Plan, box: Box, margin: int) -> bool:
    """Whether the input holds data under a box of latent pixels and so many of them round it."""
    occupancy = plan.image.occupancy
    if occupancy is None:
        return True
    wide = box.grown(margin, plan.regions.canvas).scaled(plan.geometry.factor)
    return occupancy.holds(wide.shrunk(plan.scale))
