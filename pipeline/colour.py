"""Colour from the input: the low frequencies of the enlarged input under the detail of the result.

The wavelet way of StableSR, SeeSR and "Zoomed In, Diffused Out" (arXiv 2411.12072): five levels of an a-trous wavelet,
each a blur with [1 2 1] x [1 2 1] / 16 whose taps are 2^level pixels apart. It sees 31 pixels round a pixel and no
further, so regions can be corrected apart.
"""

from __future__ import annotations

import torch
from torch.nn import functional

COLOURS = ("none", "wavelet")
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


def transfer_colour(found: torch.Tensor, reference: torch.Tensor) -> torch.Tensor:
    """The detail of ``found`` with the low frequencies of ``reference``, both [c, H, W]."""
    return found - low_frequencies(found) + low_frequencies(reference)
