"""Train a small AutoencoderKL with group norms: ``python -m benchmarks.small_autoencoder --data ../shared/data/train``.

No published autoencoder ships with the package, and one of random weights says little of tone. This one, a quarter of a
million weights, learns in minutes on one core; benchmarks/codec_norm.py measures it. Written to --out in diffusers'
format.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderKL
from torch.nn import functional

from training.crops import Crops, load_pictures

NOISE = 0.05
"""deviation of what is added to the latents"""
SIZE_WEIGHT = 1e-3
"""of the latents' mean square"""
RATE = 1e-3


def build() -> Any:
    """Stable Diffusion's with a level less, one latent pixel of 4 x 4, and few channels: that learns in minutes."""
    return AutoencoderKL(
        in_channels=3,
        out_channels=3,
        latent_channels=4,
        block_out_channels=(16, 32, 32),
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        norm_num_groups=8,
        layers_per_block=1,
    )


def train(data: Path, out: Path, *, minutes: float, side: int, batch: int) -> None:
    """Absolute error, with latents that are kept small, by AdamW with a falling rate, for so many minutes."""
    rng, model = np.random.default_rng(0), build().train()
    crops, began, step = Crops(load_pictures(data), rng), time.monotonic(), 0
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=0.0)
    while (share := (time.monotonic() - began) / (60 * minutes)) < 1:
        optimizer.param_groups[0]["lr"] = RATE * min(1.0, 0.02 + step / 50) * (1 - share)
        pixels = crops.draw(batch, side) * 2 - 1
        mean = model.encode(pixels).latent_dist.mean
        # the posterior's own deviation begins at one, which drowns everything for as long as this learns
        found = model.decode(mean + NOISE * torch.randn_like(mean)).sample
        lost = functional.l1_loss(found, pixels)
        optimizer.zero_grad()
        (lost + SIZE_WEIGHT * mean.square().mean()).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        step += 1
        if step % 100 == 0:
            print(f"step {step}: absolute error {float(lost.detach()) / 2:.4f}", flush=True)
    model.eval().save_pretrained(out)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data/train"))
    parser.add_argument("--out", type=Path, default=Path("runs/small_autoencoder"))
    parser.add_argument("--minutes", type=float, default=9.0)
    parser.add_argument("--side", type=int, default=64, help="pixels a side of a crop")
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(options.threads)
    train(options.data, options.out, minutes=options.minutes, side=options.side, batch=options.batch)


if __name__ == "__main__":
    main()
