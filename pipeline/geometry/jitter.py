"""Tiles that move a little, by a key: seams then fall elsewhere at every step (DemoFusion, AccDiffusion)."""

from __future__ import annotations

import dataclasses

import numpy as np

from storage.box import Box

from .tiles import Tile, TileGrid

TAG = 0x6A17
"""sets these draws apart from noise with the same seed"""


def jitter_radius(window: int, stride: int) -> int:
    """J: latent pixels that a tile may move each way, a quarter of the overlap: neighbours then still meet.

    >>> jitter_radius(128, 64)
    16
    """
    return (window - stride) // 4


def draw_jitter(seed: int, stage: int, step: int, tile: Tile, radius: int) -> tuple[int, int]:
    """Down and right, each from -radius to radius, as a function of the tile's place alone."""
    stream = np.random.Philox(np.random.SeedSequence((seed, stage, TAG, step, tile.row, tile.col)))
    down, right = np.random.Generator(stream).integers(-radius, radius, size=2, endpoint=True)
    return int(down), int(right)


def move(tile: Tile, grid: TileGrid, by: tuple[int, int], canvas: Box, *, beyond: bool) -> Tile:
    """``tile``, moved; a tile at the canvas's edge stays there.

    With ``beyond`` it moves, but outward only, as in the published implementations: it then sees zeros out there.
    """
    top = tile.box.top + _allowed(by[0], tile.row, len(grid.tops), beyond)
    left = tile.box.left + _allowed(by[1], tile.col, len(grid.lefts), beyond)
    if not beyond:
        top = min(max(top, canvas.top), canvas.bottom - tile.box.height)
        left = min(max(left, canvas.left), canvas.right - tile.box.width)
    return dataclasses.replace(tile, box=dataclasses.replace(tile.box, top=top, left=left))


def _allowed(by: int, place: int, count: int, beyond: bool) -> int:
    """The movement along an axis of the tile at ``place`` of ``count``."""
    is_first, is_last = place == 0, place == count - 1
    if not is_first and not is_last:
        return by
    if not beyond or (is_first and is_last):
        return 0
    return -abs(by) if is_first else abs(by)
