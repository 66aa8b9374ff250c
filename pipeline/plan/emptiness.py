"""Where an image holds no data, and nothing need be computed: tiles, windows of the autoencoder and whole regions.

A tile is empty where it holds no data: then its latents are the coarse ones, of a picture whose holes are filled. Where
there is no coarse latent, what the autoencoder sees round it holds none either. Latents are read for data where a tile
lies that holds some, and where they are decoded for it: all others are neither encoded nor, of whole regions, computed.
What is decoded is read less far: as far as the colours and the finishing of a pixel see.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from storage.box import Box, cells

from .detail import restored_halo
from .plan import Plan
from .reductions import list_reductions

SQUARE = 16
"""latent pixels a side of what is judged at once: windows are halved down to that"""


def is_tile_empty(plan: Plan, box: Box, margin: int = 0) -> bool:
    """Of a tile's box of latent pixels; ``margin``: latent pixels that it may move each way."""
    return not _holds(plan, box, margin + _seen(plan))


def _seen(plan: Plan) -> int:
    """Latent pixels round a tile that the autoencoder sees, where there is no coarse latent."""
    codec = plan.geometry.codec
    return 0 if plan.denoise_reads_coarse else max(codec.encoder_halo, codec.decoder_halo)


def is_region_empty(plan: Plan, region: int) -> bool:
    """Of a region of the latent canvas."""
    return not _latents_read(plan, plan.regions.box(region)).any()


def windows_encoded(plan: Plan, box: Box) -> list[Box]:
    """What is to be encoded of a box of latents, in windows of the autoencoder: all that is read for data."""
    restorer = -(-restored_halo(plan) * plan.scale // plan.geometry.factor)
    return _windows(plan, box, _latents_read, plan.geometry.codec.encoder_halo + restorer)


def windows_decoded(plan: Plan, box: Box) -> list[Box]:
    """What is to be decoded of a box of latents, likewise."""
    return _windows(plan, box, _decoded_read, plan.geometry.codec.decoder_halo)


def _windows(plan: Plan, box: Box, read: Callable[[Plan, Box], np.ndarray], halo: int) -> list[Box]:
    whole = list(cells(box, plan.geometry.codec.window))
    if plan.image.occupancy is None:
        return whole
    return [window for cell in whole for window in cover(cell, read(plan, cell), halo)]


def _latents_read(plan: Plan, box: Box) -> np.ndarray:
    """bool ``[rows, columns]``: whose latents, coarse ones and those of any step, are read for data.

    Those of tiles that hold data, wherever they move to, and what is decoded; and from where low frequencies are drawn.
    """
    if plan.image.occupancy is None or _looks_everywhere(plan):
        return np.ones_like(_near_data(plan, box, 0))
    canvas, far = plan.regions.canvas, _low_reach(plan)
    found = _near_data(plan, box, plan.decode_halo + far)
    side = max(plan.tiles.tile_height, plan.tiles.tile_width)
    if found.all() or not _holds(plan, box, side + 2 * plan.jitter + far + _seen(plan)):
        return found
    for tile in plan.tiles.touching(box.grown(plan.jitter + far, canvas)):
        if not is_tile_empty(plan, tile.box, plan.jitter):
            part = tile.box.grown(plan.jitter + far, canvas).intersection(box)
            if part is not None:
                rows, cols = part.within(box)
                found[
                    rows.start // SQUARE : -(-rows.stop // SQUARE), cols.start // SQUARE : -(-cols.stop // SQUARE)
                ] = True
    return found


def _decoded_read(plan: Plan, box: Box) -> np.ndarray:
    """bool ``[rows, columns]``: whose decoded pixels are read for data."""
    return _near_data(plan, box, plan.decode_halo)


def _near_data(plan: Plan, box: Box, margin: int) -> np.ndarray:
    """bool ``[rows, columns]``: the squares of a box with data so many latent pixels round them, or in them."""
    shape = -(-box.height // SQUARE), -(-box.width // SQUARE)
    if not _holds(plan, box, margin):
        return np.zeros(shape, bool)
    if _fills(plan, box):
        return np.ones(shape, bool)
    squares = (_holds(plan, square, margin) for square in cells(box, SQUARE))
    return np.fromiter(squares, bool, shape[0] * shape[1]).reshape(shape)


def _looks_everywhere(plan: Plan) -> bool:
    """Whether what is computed of data depends on latents anywhere else."""
    return plan.dilation is not None or any(reduction.kind == "shrunk" for reduction in list_reductions(plan))


def _low_reach(plan: Plan) -> int:
    """Latent pixels from which low frequencies can come in all steps: two cells a step, see imaging.frequency."""
    draws = (plan.num_steps if plan.is_guided else 0) + (plan.recipe.stages.lift == "mixed")
    return 2 * plan.recipe.guidance.low_cell * draws if draws else 0


def cover(box: Box, wanted: np.ndarray, halo: int) -> list[Box]:
    """Windows over the ``wanted`` squares of a box, halved again and again where that is less work, halos included.

    >>> left = np.array([[True, False]])
    >>> [window.width for window in cover(Box(top=0, left=0, height=16, width=32), left, 4)]
    [16]
    """
    if not wanted.any():
        return []
    box, wanted = _trimmed(box, wanted)
    if wanted.all():
        return [box]
    axis = int(wanted.shape[1] > wanted.shape[0])
    middle = wanted.shape[axis] // 2
    first, second = (_part(box, axis, slice(*ends)) for ends in ((0, middle), (middle, None)))
    early, late = np.split(wanted, [middle], axis)
    parts = cover(first, early, halo) + cover(second, late, halo)
    work = sum((part.height + 2 * halo) * (part.width + 2 * halo) for part in parts)
    return parts if work < (box.height + 2 * halo) * (box.width + 2 * halo) else [box]


def _trimmed(box: Box, wanted: np.ndarray) -> tuple[Box, np.ndarray]:
    """Without rows and columns at its edges in which nothing is wanted."""
    for axis in (0, 1):
        there = np.flatnonzero(wanted.any(axis=1 - axis))
        inside = slice(int(there[0]), int(there[-1]) + 1)
        box, wanted = _part(box, axis, inside), wanted[inside] if axis == 0 else wanted[:, inside]
    return box, wanted


def _part(box: Box, axis: int, squares: slice) -> Box:
    """Some rows of squares of a box, or columns for axis 1; the last ones may be smaller."""
    length = box.shape[axis]
    start = squares.start * SQUARE
    stop = length if squares.stop is None else min(length, squares.stop * SQUARE)
    if axis == 0:
        return replace(box, top=box.top + start, height=stop - start)
    return replace(box, left=box.left + start, width=stop - start)


def _holds(plan: Plan, box: Box, margin: int) -> bool:
    """Whether the input holds data under a box of latent pixels and so many of them round it."""
    occupancy = plan.image.occupancy
    if occupancy is None:
        return True
    wide = box.grown(margin, plan.regions.canvas).scaled(plan.geometry.factor)
    return occupancy.holds(wide.shrunk(plan.scale))


def _fills(plan: Plan, box: Box) -> bool:
    """Whether the input holds data all over a box of latent pixels, as far as squares say it."""
    occupancy = plan.image.occupancy
    return occupancy is None or occupancy.fills(box.scaled(plan.geometry.factor).shrunk(plan.scale))
