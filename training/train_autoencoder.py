"""Train the embedded model's autoencoder: ``python training/train_autoencoder.py --data FOLDER --out FOLDER``.

L1 on random crops, with a light pull of every latent channel towards zero mean and unit variance, so that diffusion
trains well on them. The same command resumes.
"""

from __future__ import annotations

import argparse
import math
import time
from pathlib import Path

import checkpoint
import numpy as np
import torch
from crops import Crops, load_images
from diffusers import AutoencoderDC

PULL = 0.002
"""weight of the pull on the latents' means and variances"""


def build(widths: tuple[int, ...] = (16, 64, 128)) -> AutoencoderDC:
    """Residual blocks and pixel shuffling only: every layer is local, so a window decodes exactly with a halo."""
    levels = len(widths)
    return AutoencoderDC(
        latent_channels=16,
        encoder_block_types="ResBlock",
        decoder_block_types="ResBlock",
        encoder_block_out_channels=widths,
        decoder_block_out_channels=widths,
        encoder_layers_per_block=(1, *[2] * (levels - 1)),
        decoder_layers_per_block=(2,) * levels,
        encoder_qkv_multiscales=((),) * levels,
        decoder_qkv_multiscales=((),) * levels,
        upsample_block_type="pixel_shuffle",
        downsample_block_type="pixel_unshuffle",
        scaling_factor=1.0,
    )


def train(
    data: Path,
    out: Path,
    *,
    steps: int,
    batch: int,
    crop: int,
    seed: int,
    device: str,
    rate: float = 3e-3,
    squared: float = 0.0,
    stop_after: int | None = None,
) -> AutoencoderDC:
    """The trained model; ``squared`` weighs the squared error beside L1, ``stop_after`` ends early, to be resumed."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    model = build().to(device, memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(model.parameters(), rate, betas=(0.9, 0.99), weight_decay=1e-4)
    crops = Crops(load_images(data), rng)
    path, first = out / "autoencoder.pt", 0
    if record := checkpoint.restore(path, rng):
        model.load_state_dict(record["model"])
        optimizer.load_state_dict(record["optimizer"])
        first = record["step"]
    started = time.monotonic()
    for step in range(first, steps):
        for group in optimizer.param_groups:
            group["lr"] = rate * min(1, (step + 1) / 100) * 0.5 * (1 + math.cos(math.pi * step / steps)) + 1e-6
        pixels = (crops.draw(batch, crop) * 2 - 1).to(device, memory_format=torch.channels_last)
        with torch.autocast(device, torch.bfloat16):
            latents = model.encode(pixels).latent
            decoded = model.decode(latents).sample
        error = decoded.float() - pixels
        means, variances = latents.float().mean((0, 2, 3)), latents.float().var((0, 2, 3))
        loss = error.abs().mean() + squared * (error**2).mean()
        loss = loss + PULL * ((means**2).mean() + ((variances - 1) ** 2).mean())
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        if step % 50 == 0:
            psnr = -10 * math.log10((error.detach() ** 2).mean().item() / 4 + 1e-12)
            print(f"{step} loss {loss.item():.4f} PSNR {psnr:.2f} dB, {time.monotonic() - started:.0f} s", flush=True)
        stopping = step + 1 in (steps, stop_after)
        if step % 250 == 249 or stopping:
            checkpoint.save(path, step=step + 1, rng=rng, model=model.state_dict(), optimizer=optimizer.state_dict())
        if stopping:
            break
    return model


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data/train"))
    parser.add_argument("--out", type=Path, default=Path("runs/training"))
    parser.add_argument("--steps", type=int, default=4500)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--crop", type=int, default=96, help="pixels a side")
    parser.add_argument("--rate", type=float, default=3e-3)
    parser.add_argument("--squared", type=float, default=0.0, help="weight of the mean squared error beside L1")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    train(
        options.data,
        options.out,
        steps=options.steps,
        batch=options.batch,
        crop=options.crop,
        seed=options.seed,
        device=device,
        rate=options.rate,
        squared=options.squared,
    )


if __name__ == "__main__":
    main()
