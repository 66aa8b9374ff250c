"""Export trained parts in diffusers' format: ``python training/export.py --out FOLDER --to pipeline/embedded``.

Weights are stored as float16; the halos are measured, by changing one latent (or one latent's pixels) and looking how
far the change is seen.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import diffusers
import torch
from train_autoencoder import build as build_autoencoder
from train_denoiser import STEPS, build_scheduler
from train_denoiser import build as build_denoiser

FACTOR = 4


def measure_halos(autoencoder: Any, side: int = 64) -> tuple[int, int]:
    """Encoder's and decoder's reach in latent pixels beyond a window, rounded up."""
    middle = side // 2
    latents = torch.zeros(1, 16, side, side)
    poked = latents.clone()
    poked[..., middle, middle] = 100.0
    pixels = torch.zeros(1, 3, side * FACTOR, side * FACTOR)
    painted = pixels.clone()
    painted[..., middle * FACTOR : (middle + 1) * FACTOR, middle * FACTOR : (middle + 1) * FACTOR] = 100.0
    with torch.inference_mode():
        seen = autoencoder.decode(poked).sample - autoencoder.decode(latents).sample
        felt = autoencoder.encode(painted).latent - autoencoder.encode(pixels).latent
    decoder = _reach(seen, middle * FACTOR, (middle + 1) * FACTOR - 1)
    return _reach(felt, middle, middle), -(-decoder // FACTOR)


def _reach(change: torch.Tensor, first: int, last: int) -> int:
    rows = (change.abs().amax((0, 1, 3)) > 0).nonzero().flatten()
    cols = (change.abs().amax((0, 1, 2)) > 0).nonzero().flatten()
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
