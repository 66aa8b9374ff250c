"""How far an AutoencoderKL's convolutions see, from its config: latent pixels round a window.

A 3 x 3 convolution sees one pixel to each side at its own resolution; group norms and attention are left out, see
group_norm.py. One residual block has two such convolutions.
"""

from __future__ import annotations

from typing import Any

MIDDLE = 4
"""convolutions of the middle's two residual blocks"""


def decoder_halo(config: dict[str, Any]) -> int:
    """Latent pixels round a window that can change its pixels.

    >>> decoder_halo({"block_out_channels": [128, 256, 512, 512], "layers_per_block": 2})
    18
    """
    levels, layers = _shape(config)
    reach = 1
    for level in range(levels):
        reach += 2 * (layers + 1)
        if level < levels - 1:
            # the convolution after doubling, then half as many pixels at half the resolution
            reach = -(-(reach + 1) // 2)
    return reach + MIDDLE + 1


def encoder_halo(config: dict[str, Any]) -> int:
    """Latent pixels round a window whose pixels can change its latents.

    >>> encoder_halo({"block_out_channels": [128, 256, 512, 512], "layers_per_block": 2})
    14
    """
    levels, layers = _shape(config)
    before = after = 1 + MIDDLE
    for level in range(levels):
        before, after = before + 2 * layers, after + 2 * layers
        if level < levels - 1:
            # halving reads the pixels 2 i, 2 i + 1 and 2 i + 2: one more to the right and below
            before, after = 2 * before, 2 * after + 1
    return -(-(max(before, after) + 1) // 2 ** (levels - 1))


def _shape(config: dict[str, Any]) -> tuple[int, int]:
    """Number of levels, and of residual blocks in a level of the encoder."""
    return len(config["block_out_channels"]), config.get("layers_per_block", 1)
