"""Colour from the input, the two ways of StableSR, SeeSR and "Zoomed In, Diffused Out" (arXiv 2411.12072).

``wavelet``: the low frequencies of the enlarged input under the detail of the result. Five levels of an a-trous
wavelet, each a blur with [1 2 1] x [1 2 1] / 16 whose taps are 2^level pixels apart. It sees 31 pixels round a pixel
and no further, so regions can be corrected apart.

``adain``: every channel gets the mean and the standard deviation that it has in the enlarged input, over the whole
picture. That needs a reduction over all regions first, and then every pixel is corrected by itself.
"""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional

from .moments import Moments, moments

CHANNELS = 3
LEAST_VARIANCE = 1e-5
"""added to a channel's variance: an even picture has a deviation too"""
LEVELS = 5
REACH = 2**LEVELS - 1
"""output pixels round a pixel that its colour depends on"""


def low_frequencies(pixels: torch.Tensor) -> torch.Tensor:
    """[c, H, W] of [c, H, W]: what is left after five blurs; beyond the edge its pixels repeat."""
    taps = torch.tensor([1.0, 2.0, 1.0])
    kernel = (torch.outer(taps, taps) / 16).expand(len(pixels), 1, 3, 3)
    low = pixels[None]
    for level in range(LEVELS):
        step = 2**level
        low = functional.conv2d(
            functional.pad(low, (step,) * 4, mode="replicate"), kernel, groups=len(pixels), dilation=step
        )
    return low[0]


def transfer_colour(picture: torch.Tensor, reference: torch.Tensor) -> torch.Tensor:
    """The detail of ``picture`` with the low frequencies of ``reference``, both [c, H, W]."""
    return picture - low_frequencies(picture) + low_frequencies(reference)


def colour_moments(picture: torch.Tensor, reference: torch.Tensor) -> Moments:
    """Of the channels of ``picture``, then of those of ``reference``, both [3, H, W]: 6 groups."""
    return moments(torch.cat([picture, reference]))


def colour_table(whole: Moments) -> dict[str, np.ndarray]:
    """``colour.scale`` and ``colour.shift`` [3] that give the picture its reference's means and deviations."""
    deviation = np.sqrt(whole.variance(correction=1) + LEAST_VARIANCE)
    scale = deviation[CHANNELS:] / deviation[:CHANNELS]
    return {"colour.scale": scale, "colour.shift": whole.mean[CHANNELS:] - whole.mean[:CHANNELS] * scale}


def match_colour(picture: torch.Tensor, table: dict[str, np.ndarray]) -> torch.Tensor:
    """``picture`` [3, H, W] with the means and deviations that ``colour_table`` was made for."""
    scale, shift = (torch.from_numpy(table[name]).view(-1, 1, 1) for name in ("colour.scale", "colour.shift"))
    return (picture.double() * scale + shift).float()
