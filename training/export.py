"""Export trained parts in diffusers' format: ``python training/export.py --out FOLDER --to pipeline/embedded``.

Weights are stored as float16; the halos are measured, by how far the gradient of one latent (or of one latent's
pixels) reaches.
"""

from __future__ import annotations

import argparse
import copy
import json
from pathlib import Path
from typing import Any

import diffusers
import torch
from train_autoencoder import build as build_autoencoder
from train_denoiser import STEPS, build_scheduler
from train_denoiser import build as build_denoiser

FACTOR = 4


def measure_halos(autoencoder: Any, side: int = 40) -> tuple[int, int]:
    """Encoder's and decoder's reach in latent pixels beyond a window, rounded up.

    By gradients in float64: the far end of the reach weighs about 1e-17 and is lost in the rounding of a change that is
    looked for in float32.
    """
    exact = copy.deepcopy(autoencoder).double().requires_grad_(False)
    middle = side // 2
    generator = torch.Generator().manual_seed(0)
    latents = torch.randn(1, 16, side, side, generator=generator, dtype=torch.float64, requires_grad=True)
    pixels = torch.rand(1, 3, side * FACTOR, side * FACTOR, generator=generator, dtype=torch.float64)
    pixels = (pixels * 2 - 1).requires_grad_()
    window = slice(middle * FACTOR, (middle + 1) * FACTOR)
    (seen,) = torch.autograd.grad(exact.decode(latents).sample[..., window, window].sum(), latents)
    (felt,) = torch.autograd.grad(exact.encode(pixels).latent[..., middle, middle].sum(), pixels)
    return -(-_reach(felt, window.start, window.stop - 1) // FACTOR), _reach(seen, middle, middle)


def _reach(gradient: torch.Tensor, first: int, last: int) -> int:
    rows = (gradient != 0).any(3).any(1).any(0).nonzero().flatten()
    cols = (gradient != 0).any(2).any(1).any(0).nonzero().flatten()
    return int(max(first - min(rows[0], cols[0]), max(rows[-1], cols[-1]) - last))


def export(out: Path, to: Path, *, steps: int, widths: tuple[int, ...] = (64, 128, 192)) -> None:
    """Write ``to``: vae, unet, scheduler and model_index.json."""
    autoencoder = build_autoencoder()
    autoencoder.load_state_dict(torch.load(out / "autoencoder.pt", weights_only=True)["model"])
    record = torch.load(out / "denoiser.pt", weights_only=True)
    denoiser = build_denoiser(widths)
    denoiser.load_state_dict(record["average"])
    encoder_halo, decoder_halo = measure_halos(autoencoder.eval())
    autoencoder.half().save_pretrained(to / "vae", variant="fp16")
    denoiser.half().save_pretrained(to / "unet", variant="fp16")
    build_scheduler().save_pretrained(to / "scheduler")
    index = {
        "_class_name": "GigatileSuperResolver",
        "_diffusers_version": diffusers.__version__,
        "vae": ["diffusers", "AutoencoderDC"],
        "unet": ["diffusers", "UNet2DModel"],
        "scheduler": ["diffusers", "DDIMScheduler"],
        "gigatile": {
            "native_scale": 4,
            "window": 128,
            "overlap": 16,
            "multiple": 2 ** (len(widths) - 1),
            "conditioning": "coarse-latent",
            "steps": steps,
            "guidance": 1.0,
            "encoder_halo": encoder_halo,
            "decoder_halo": decoder_halo,
            "latents_mean": [round(float(v), 6) for v in record["mean"].flatten()],
            "latents_std": [round(float(v), 6) for v in record["std"].flatten()],
            "dtype": "bfloat16",
        },
    }
    (to / "model_index.json").write_text(json.dumps(index, indent=2) + "\n")
    size = sum(path.stat().st_size for path in to.rglob("*.safetensors")) / 1e6
    print(f"{to}: {size:.1f} MB of weights, halos {encoder_halo} and {decoder_halo}, after {record['step']} batches")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("runs/training"))
    parser.add_argument("--to", type=Path, default=Path("pipeline/embedded"))
    parser.add_argument("--steps", type=int, default=STEPS, help="default number of sampler steps")
    options = parser.parse_args()
    export(options.out, options.to, steps=options.steps)


if __name__ == "__main__":
    main()
