"""Train the embedded model's denoiser: ``python training/train_denoiser.py --data FOLDER --out FOLDER``.

A U-Net sees the noisy latent beside the coarse latent (the low-resolution picture, enlarged and encoded) and predicts
v = alpha noise - sigma x0 (Salimans and Ho, arXiv 2202.00512) under a schedule rescaled to zero terminal SNR
(arXiv 2305.08891). It is trained on the timesteps that eight trailing steps visit, the first of them most: there the
task is plain restoration. The same command resumes.
"""

from __future__ import annotations

import argparse
import copy
import math
import time
from pathlib import Path

import checkpoint
import numpy as np
import torch
from crops import Crops, degrade, enlarge, load_images
from diffusers import AutoencoderDC, DDIMScheduler, UNet2DModel
from train_autoencoder import build as build_autoencoder

STEPS = 8
"""sampler steps that the timesteps are trained for; 4, 2 and 1 visit a part of them"""
FIRST_SHARE = 0.35
"""share of the samples at the first timestep, where the latent is pure noise"""
DROP = 0.05
"""share of the samples without the coarse latent: the unconditional branch of guidance"""
EMA = 0.998


def build(widths: tuple[int, ...] = (64, 128, 192), layers: int = 2) -> UNet2DModel:
    """Convolutions only; two halvings, so sides are multiples of 4."""
    return UNet2DModel(
        sample_size=64,
        in_channels=32,
        out_channels=16,
        block_out_channels=widths,
        layers_per_block=layers,
        down_block_types=("DownBlock2D",) * len(widths),
        up_block_types=("UpBlock2D",) * len(widths),
        mid_block_type="UNetMidBlock2D",
        norm_num_groups=16,
        add_attention=False,
    )


def build_scheduler() -> DDIMScheduler:
    return DDIMScheduler(
        beta_schedule="scaled_linear",
        beta_start=0.00085,
        beta_end=0.012,
        rescale_betas_zero_snr=True,
        timestep_spacing="trailing",
        prediction_type="v_prediction",
        clip_sample=False,
        set_alpha_to_one=True,
    )


@torch.inference_mode()
def encode(autoencoder: AutoencoderDC, pixels: torch.Tensor) -> torch.Tensor:
    """[b, 3, y, x] in [0, 1] -> [b, 16, y / 4, x / 4] float32, not yet normalised."""
    with torch.autocast(pixels.device.type, torch.bfloat16):
        return autoencoder.encode((pixels * 2 - 1).contiguous(memory_format=torch.channels_last)).latent.float()


def make_pairs(
    autoencoder: AutoencoderDC, crops: Crops, count: int, crop: int, device: str
) -> tuple[torch.Tensor, torch.Tensor]:
    """``count`` pairs of true and coarse latents, float16 on the CPU, made once: the autoencoder is frozen."""
    truth, coarse = [], []
    for _ in range(0, count, 16):
        high = crops.draw(16, crop)
        low = degrade(high, crops.rng)
        truth.append(encode(autoencoder, high.to(device)).half().cpu())
        coarse.append(encode(autoencoder, enlarge(low).to(device)).half().cpu())
    return torch.cat(truth), torch.cat(coarse)


def statistics(latents: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and standard deviation a channel, each [1, 16, 1, 1]."""
    values = latents.float()
    return values.mean((0, 2, 3)).view(1, -1, 1, 1), values.std((0, 2, 3)).view(1, -1, 1, 1)


def draw_batch(
    truth: torch.Tensor, coarse: torch.Tensor, rng: np.random.Generator, batch: int, side: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Windows of ``side`` latent pixels at random places of random pairs, float32."""
    chosen = rng.integers(0, len(truth), batch)
    tops = rng.integers(0, truth.shape[2] - side + 1, batch)
    lefts = rng.integers(0, truth.shape[3] - side + 1, batch)
    places = list(zip(chosen, tops, lefts, strict=True))

    def cut(latents: torch.Tensor) -> torch.Tensor:
        return torch.stack([latents[i, :, y : y + side, x : x + side] for i, y, x in places]).float()

    return cut(truth), cut(coarse)


def loss_of(
    model: UNet2DModel, scheduler: DDIMScheduler, clean: torch.Tensor, coarse: torch.Tensor, rng: np.random.Generator
) -> torch.Tensor:
    """Mean squared error of v at random timesteps of the few-step grid."""
    batch, device = len(clean), clean.device
    grid = torch.as_tensor([int(t) for t in scheduler.timesteps])
    rest = (1 - FIRST_SHARE) / (len(grid) - 1)
    picks = torch.as_tensor(rng.choice(len(grid), batch, p=[FIRST_SHARE, *[rest] * (len(grid) - 1)]))
    times = grid[picks].to(device)
    alphas = scheduler.alphas_cumprod.to(device)[times].view(-1, 1, 1, 1)
    noise = torch.randn(clean.shape).to(device)
    noisy = alphas.sqrt() * clean + (1 - alphas).sqrt() * noise
    target = alphas.sqrt() * noise - (1 - alphas).sqrt() * clean
    kept = torch.as_tensor(rng.random(batch) >= DROP, device=device).view(-1, 1, 1, 1)
    seen = torch.cat([noisy, coarse * kept], dim=1).contiguous(memory_format=torch.channels_last)
    with torch.autocast(device.type, torch.bfloat16):
        predicted = model(seen, times).sample
    return ((predicted.float() - target) ** 2).mean()


def train(
    data: Path,
    out: Path,
    *,
    steps: int,
    batch: int,
    side: int,
    pairs: int,
    rate: float,
    seed: int,
    device: str,
    widths: tuple[int, ...] = (64, 128, 192),
    stop_after: int | None = None,
) -> UNet2DModel:
    """The averaged model. ``steps`` sets the schedule of the rate; ``stop_after`` ends early, to be resumed."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    autoencoder = build_autoencoder()
    autoencoder.load_state_dict(torch.load(out / "autoencoder.pt", weights_only=True)["model"])
    autoencoder.to(device, memory_format=torch.channels_last).eval()
    crops = Crops(load_images(data), np.random.default_rng(seed + 1))
    truth, coarse = make_pairs(autoencoder, crops, pairs, (side + side // 3) * 4, device)
    model = build(widths).to(device, memory_format=torch.channels_last)
    average = copy.deepcopy(model).requires_grad_(False)
    optimizer = torch.optim.AdamW(model.parameters(), rate, betas=(0.9, 0.99), weight_decay=1e-3)
    scheduler = build_scheduler()
    scheduler.set_timesteps(STEPS)
    path, first = out / "denoiser.pt", 0
    mean, std = statistics(truth)
    if record := checkpoint.restore(path, rng):
        model.load_state_dict(record["model"])
        average.load_state_dict(record["average"])
        optimizer.load_state_dict(record["optimizer"])
        first, mean, std = record["step"], record["mean"], record["std"]
    truth, coarse = ((latents - mean) / std for latents in (truth, coarse))
    truth, coarse = truth.half(), coarse.half()
    started, recent = time.monotonic(), 0.0
    for step in range(first, steps):
        for group in optimizer.param_groups:
            group["lr"] = rate * min(1, (step + 1) / 200) * 0.5 * (1 + math.cos(math.pi * step / steps)) + 1e-6
        clean, under = draw_batch(truth, coarse, rng, batch, side)
        loss = loss_of(model, scheduler, clean.to(device), under.to(device), rng)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        keep = min(EMA, (step + 1) / (step + 10))
        for slow, fast in zip(average.parameters(), model.parameters(), strict=True):
            slow.lerp_(fast, 1 - keep)
        recent = loss.item() if step == first else 0.98 * recent + 0.02 * loss.item()
        if step % 50 == 0:
            print(f"{step} loss {recent:.4f}, {time.monotonic() - started:.0f} s", flush=True)
        stopping = step + 1 in (steps, stop_after)
        if step % 250 == 249 or stopping:
            states = {"model": model.state_dict(), "average": average.state_dict(), "mean": mean, "std": std}
            checkpoint.save(path, step=step + 1, rng=rng, optimizer=optimizer.state_dict(), **states)
        if stopping:
            break
    return average


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data/train"))
    parser.add_argument("--out", type=Path, default=Path("runs/training"))
    parser.add_argument("--steps", type=int, default=5000)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--side", type=int, default=48, help="latent pixels a side of a training window")
    parser.add_argument("--pairs", type=int, default=4000, help="crops encoded before training starts")
    parser.add_argument("--rate", type=float, default=1e-3)
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
        side=options.side,
        pairs=options.pairs,
        rate=options.rate,
        seed=options.seed,
        device=device,
    )


if __name__ == "__main__":
    main()
