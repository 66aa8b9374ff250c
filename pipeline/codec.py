"""Encoding and decoding boxes of any size, a window of the autoencoder at a time, each widened by the codec's halo."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator

import numpy as np
import torch

from storage.box import Box, RegionGrid

from .backbone import LatentGeometry
from .pixels import decode_window, encode_window


def encode_box(
    pixels: Callable[[Box], torch.Tensor],
    encode: Callable[[torch.Tensor], torch.Tensor],
    geometry: LatentGeometry,
    canvas: Box,
    box: Box,
) -> np.ndarray:
    """Latents ``[c, h, w] float32`` of a box of latent pixels; ``pixels`` gives RGB ``[3, H, W]`` under such a box."""
    latents = np.empty((geometry.channels, *box.shape), dtype=np.float32)
    for cell in _cells(box, geometry.codec_window):
        wide = cell.grown(geometry.encoder_halo, canvas)
        latents[:, *cell.within(box)] = encode_window(encode, pixels(wide), wide, cell)
    return latents


def decode_box(
    read: Callable[[Box], np.ndarray],
    decode: Callable[[torch.Tensor], torch.Tensor],
    geometry: LatentGeometry,
    canvas: Box,
    box: Box,
) -> torch.Tensor:
    """RGB ``[3, H, W]``, not clipped, of a box of latent pixels; ``read`` gives latents ``[c, h, w]`` of a box."""
    factor = geometry.factor
    rgb = torch.empty((3, box.height * factor, box.width * factor))
    for cell in _cells(box, geometry.codec_window):
        wide = cell.grown(geometry.decoder_halo, canvas)
        part = decode_window(decode, read(wide), wide, cell, factor=factor)
        rgb[:, *cell.scaled(factor).within(box.scaled(factor))] = part
    return rgb


def _cells(box: Box, side: int) -> Iterator[Box]:
    """The windows of ``side`` latent pixels that the autoencoder is run on, one after another."""
    grid = RegionGrid(height=box.height, width=box.width, side=side)
    for index in range(grid.num_regions):
        cell = grid.box(index)
        yield dataclasses.replace(cell, top=cell.top + box.top, left=cell.left + box.left)
