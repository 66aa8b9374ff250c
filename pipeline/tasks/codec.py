"""Encoding and decoding boxes of any size, a window of the autoencoder at a time, each widened by the codec's halo.

Where the autoencoder has group norms, a window is normalised by itself, or by statistics of the whole canvas that are
given; with these, windows give what the whole canvas would (see models/autoencoder/group_norm.py).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext

import numpy as np
import torch

from pipeline.imaging.moments import Moments, join
from pipeline.imaging.pixels import decode_window, encode_window
from pipeline.models.autoencoder.group_norm import GroupNorms
from pipeline.models.card import LatentGeometry
from pipeline.models.protocol import Backbone, NormalisingBackbone
from storage.box import Box, cells


class Codec:
    """One model's autoencoder, lent for one window at a time.

    ``norms``, where given, is ``[layers, 2, groups]``: the statistics of the first ``layers`` group norms.
    """

    def __init__(self, in_backbone: Callable[[], AbstractContextManager[Backbone]]) -> None:
        """``in_backbone`` lends the model for one computation."""
        self._in_backbone = in_backbone

    def encode(self, pixels: torch.Tensor, norms: np.ndarray | None = None) -> torch.Tensor:
        """See Backbone.encode."""
        with self._in_backbone() as backbone, _given(backbone, "encoder", norms):
            return backbone.encode(pixels)

    def decode(self, latents: torch.Tensor, norms: np.ndarray | None = None) -> torch.Tensor:
        """See Backbone.decode."""
        with self._in_backbone() as backbone, _given(backbone, "decoder", norms):
            return backbone.decode(latents)

    def measure(self, half: str, window: torch.Tensor, norms: np.ndarray, padded: Box, box: Box) -> Moments:
        """Moments of what the next norm of ``half`` reads of ``box``; ``window [1, c, y, x]`` covers ``padded``."""
        with self._in_backbone() as backbone:
            return _norms(backbone, half).measure(
                lambda: _run(backbone, half, window), norms, padded.shape, box.within(padded)
            )

    def collect(self, half: str, whole: torch.Tensor) -> np.ndarray:
        """The statistics of all norms of ``half`` over ``whole [1, c, y, x]``."""
        with self._in_backbone() as backbone:
            return _norms(backbone, half).collect(lambda: _run(backbone, half, whole))


def _norms(backbone: Backbone, half: str) -> GroupNorms:
    assert isinstance(backbone, NormalisingBackbone)
    return backbone.norms[half]


def _given(backbone: Backbone, half: str, norms: np.ndarray | None) -> AbstractContextManager[None]:
    return nullcontext() if norms is None else _norms(backbone, half).given(norms)


def _run(backbone: Backbone, half: str, window: torch.Tensor) -> torch.Tensor:
    return backbone.encode(window) if half == "encoder" else backbone.decode(window)


def measure_box(
    read: Callable[[Box], torch.Tensor],
    measure: Callable[[torch.Tensor, Box, Box], Moments],
    geometry: LatentGeometry,
    halo: int,
    canvas: Box,
    box: Box,
) -> Moments:
    """Moments over a box of latent pixels, window by window; ``measure`` gets a window with its halo, and both boxes.

    ``read`` gives what the network is given of a box, ``[c, y, x]``.
    """
    parts = []
    for cell in cells(box, geometry.codec.window):
        padded = cell.grown(halo, canvas)
        parts.append(measure(read(padded)[None], padded, cell))
    return join(parts)


def encode_box(
    pixels: Callable[[Box], torch.Tensor],
    encode: Callable[[torch.Tensor], torch.Tensor],
    geometry: LatentGeometry,
    canvas: Box,
    box: Box,
    windows: Sequence[Box] | None = None,
) -> np.ndarray:
    """Latents ``[c, h, w] float32`` of a box of latent pixels; ``pixels`` gives RGB ``[3, H, W]`` under such a box.

    ``windows``: what of the box is wanted, in windows of the autoencoder; zeros elsewhere.
    """
    latents = np.zeros((geometry.channels, *box.shape), dtype=np.float32)
    for cell in cells(box, geometry.codec.window) if windows is None else windows:
        padded = cell.grown(geometry.codec.encoder_halo, canvas)
        latents[:, *cell.within(box)] = encode_window(encode, pixels(padded), padded, cell)
    return latents


def decode_box(
    read: Callable[[Box], np.ndarray],
    decode: Callable[[torch.Tensor], torch.Tensor],
    geometry: LatentGeometry,
    canvas: Box,
    box: Box,
    windows: Sequence[Box] | None = None,
    around: torch.Tensor | None = None,
) -> torch.Tensor:
    """RGB ``[3, H, W]``, not clipped, of a box of latent pixels; ``read`` gives latents ``[c, h, w]`` of a box.

    ``windows``: what of the box is wanted, in windows of the autoencoder; ``around``: what it is elsewhere, zeros if
    not given.
    """
    factor = geometry.factor
    rgb = torch.zeros((3, box.height * factor, box.width * factor)) if around is None else around.clone()
    for cell in cells(box, geometry.codec.window) if windows is None else windows:
        padded = cell.grown(geometry.codec.decoder_halo, canvas)
        pixels = decode_window(decode, read(padded), padded, cell, factor=factor)
        rgb[:, *cell.scaled(factor).within(box.scaled(factor))] = pixels
    return rgb
