"""Noise that is a function of the place, the step and the seed: never of tile order, batch or worker.

The canvas is cut into blocks of 64 latent pixels; each has its own counter-based stream (Philox), keyed by
(seed, stage, draw, block row, block column). Any window is cut out of its blocks, so two windows agree where they meet.
"""

from __future__ import annotations

import numpy as np

from storage.box import Box, RegionGrid

BLOCK = 64
"""latent pixels a side of a noise block: a constant of the plan, not of the store's chunks"""


def block_noise(seed: int, stage: int, draw: int, row: int, col: int, channels: int) -> np.ndarray:
    """Standard normal noise of one block: ``[channels, 64, 64] float32``."""
    stream = np.random.Philox(np.random.SeedSequence((seed, stage, draw, row, col)))
    return np.random.Generator(stream).standard_normal((channels, BLOCK, BLOCK), dtype=np.float32)


def keyed_noise(box: Box, *, channels: int, seed: int, stage: int, draw: int) -> np.ndarray:
    """Standard normal noise over ``box`` of the latent canvas: ``[channels, box.height, box.width] float32``.

    ``draw`` 0 is a stage's first noise, ``draw`` s + 1 the noise that step s adds.

    >>> large = keyed_noise(Box(top=0, left=0, height=70, width=70), channels=1, seed=1, stage=0, draw=0)
    >>> small = keyed_noise(Box(top=60, left=62, height=4, width=8), channels=1, seed=1, stage=0, draw=0)
    >>> bool((large[:, 60:64, 62:70] == small).all())
    True
    """
    noise = np.empty((channels, box.height, box.width), dtype=np.float32)
    blocks = RegionGrid(height=box.bottom, width=box.right, side=BLOCK)
    for index in blocks.overlapping(box):
        row, col = blocks.position(index)
        whole = Box(top=row * BLOCK, left=col * BLOCK, height=BLOCK, width=BLOCK)
        overlap = whole.intersection(box)
        assert overlap is not None
        ys, xs = overlap.within(box)
        block_ys, block_xs = overlap.within(whole)
        noise[:, ys, xs] = block_noise(seed, stage, draw, row, col, channels)[:, block_ys, block_xs]
    return noise
