"""Train the embedded model's autoencoder: ``python training/train_autoencoder.py --data FOLDER --out FOLDER``.

It starts as a principal-component transform (principal.py). The decoder also sees latents with a little noise, so that
what diffusion leaves in them is smoothed and no 4 x 4 grid shows. The same command resumes.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import torch
from crops import Crops, load_pictures
from diffusers import AutoencoderDC
from loop import Loop, fast_numbers, parse_options
from principal import principal_components, start_from_components

PULL = 0.0005
"""weight of the pull on the latents' means and variances"""
NOISE = 0.08
"""largest standard deviation of the noise on the latents that the decoder sees"""


def build(widths: tuple[int, ...] = (32, 64, 128), latent_channels: int = 16) -> AutoencoderDC:
    """Residual blocks and pixel shuffling only: every layer is local, so a window decodes exactly with a halo."""
    none: tuple[tuple[int, ...], ...] = ((),) * len(widths)
    return AutoencoderDC(
        latent_channels=latent_channels,
        encoder_block_types="ResBlock",
        decoder_block_types="ResBlock",
        encoder_block_out_channels=widths,
        decoder_block_out_channels=widths,
        encoder_layers_per_block=(0, 1, 1),
        decoder_layers_per_block=(0, 2, 2),
        encoder_qkv_multiscales=none,
        decoder_qkv_multiscales=none,
        upsample_block_type="pixel_shuffle",
        downsample_block_type="pixel_unshuffle",
        scaling_factor=1.0,
    )


def loss_of(model: AutoencoderDC, pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The loss, and the squared error of values in [-1, 1] without noise; half the batch is decoded with noise."""
    device = pixels.device.type
    with fast_numbers(device):
        latents = model.encode(pixels).latent
        half = len(pixels) // 2
        sigma = NOISE * torch.rand(half, 1, 1, 1).to(pixels.device)
        noisy = latents[:half] + sigma * torch.randn(latents[:half].shape).to(pixels.device)
        decoded = model.decode(torch.cat([noisy, latents[half:]])).sample
    error = decoded.float() - pixels
    means, variances = latents.float().mean((0, 2, 3)), latents.float().var((0, 2, 3))
    pull = (means**2).mean() + ((variances - 1) ** 2).mean()
    squared = error[half:] ** 2
    return error.abs().mean() + 5 * (error**2).mean() + PULL * pull, squared.mean()


def train(
    data: Path, out: Path, *, steps: int, batch: int, crop: int, rate: float, seed: int, device: str, **more: object
) -> AutoencoderDC:
    """The trained model. ``more`` goes to Loop: ``stop_after``, ``minutes``."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    crops = Crops(load_pictures(data), rng)
    model = build()
    if not (out / "autoencoder.pt").is_file():
        start_from_components(model, *principal_components(crops, 1024, 16))
    model.to(device, memory_format=torch.channels_last)
    loop = Loop(
        out / "autoencoder.pt",
        rng,
        steps=steps,
        rate=rate,
        parameters=[*model.parameters()],
        states={"model": model},
        **more,
    )
    for _ in loop:
        pixels = (crops.draw(batch, crop) * 2 - 1).to(device, memory_format=torch.channels_last)
        loss, squared = loss_of(model, pixels)
        loop.descend(loss)
        loop.report(loss=loss.item(), PSNR=-10 * math.log10(squared.item() / 4 + 1e-12))
    return model


def main() -> None:
    train(**parse_options(__doc__, steps=4000, batch=16, rate=2e-4, crop=(96, "pixels a side of a crop")))


if __name__ == "__main__":
    main()
