"""What group norms are given: ``python -m benchmarks.codec_norm --vae runs/small_autoencoder --out runs/codec_norm``.

Encodes and decodes crops and made pictures in windows, with each window's own statistics, with those of a small copy
(blocks cut out, as ``fast`` does, single pixels, or averages), and with those of the canvas, which the others are
compared with. --vae is an AutoencoderKL in diffusers' format, such as benchmarks/small_autoencoder.py trains;
``random`` are tiny ones of random weights. Windows much smaller than their halo see most of the canvas: the engine's
are 64.
Writes codec_norm.md and codec_norm.json into --out.
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderKL
from torch.nn import functional

from benchmarks.pictures import SETS, centre_crop, describe_code, find_pictures
from pipeline.imaging.shrunk import Shrink, shrunk_size
from pipeline.models.autoencoder.autoencoder import Autoencoder, codec_geometry
from pipeline.tasks.codec import decode_box, encode_box
from storage.box import Box, RegionGrid

WAYS = ("window", "averages", "single pixels", "fast", "exact")
SEEDS = 3


class Measured:
    """One autoencoder, run in windows of ``side`` latent pixels."""

    def __init__(self, vae: Any, side: int) -> None:
        self._autoencoder = Autoencoder(vae)
        facts = codec_geometry(dict(vae.config))
        facts["codec"] = dataclasses.replace(facts["codec"], window=side)
        self._geometry: Any = SimpleNamespace(**facts)
        self._side = side

    def _copies(self, given: torch.Tensor, factor: int) -> dict[str, torch.Tensor]:
        """What statistics are taken of, by way; ``given [c, y, x]``, ``factor`` of its pixels to a latent one."""
        _, rows, cols = given.shape
        height, width = (n * factor for n in shrunk_size(rows // factor, cols // factor, self._side))
        grid = RegionGrid(height=given.shape[1], width=given.shape[2], side=max(given.shape[1:]))
        shrink = Shrink(channels=len(given), grid=grid, height=height, width=width, unit=factor)
        share = shrink.share(0, [(grid.canvas, given.numpy())])
        copies = {
            "averages": functional.adaptive_avg_pool2d(given[None].double(), (height, width))[0],
            "single pixels": functional.interpolate(given[None].double(), (height, width), mode="nearest-exact")[0],
        }
        deviation, mean = torch.std_mean(given.double(), (1, 2), keepdim=True)
        for way, copy in copies.items():
            spread, middle = torch.std_mean(copy, (1, 2), keepdim=True)
            restored = (copy - middle) / spread.clamp_min(1e-6) * deviation + mean
            copies[way] = restored.clamp(given.min(), given.max()).float()
        return {**copies, "fast": shrink.assemble(share[None]), "exact": given}

    def run(self, part: str, given: torch.Tensor) -> dict[str, np.ndarray]:
        """Latents or pixels by way, of pixels ``[3, H, W]`` or of latents ``[c, h, w]``."""
        norms, factor = self._autoencoder.norms[part], self._geometry.factor if part == "encoder" else 1
        one = self._autoencoder.encode if part == "encoder" else self._autoencoder.decode
        copies = self._copies(given, factor)
        found = {"window": self._in_windows(part, one, given)}
        for way, copy in copies.items():
            with norms.given(norms.collect(functools.partial(one, copy[None]))):
                found[way] = self._in_windows(part, one, given)
        return found

    def _in_windows(self, part: str, one: Any, given: torch.Tensor) -> np.ndarray:
        factor = self._geometry.factor
        if part == "encoder":
            canvas = Box(top=0, left=0, height=given.shape[1] // factor, width=given.shape[2] // factor)

            def pixels(box: Box) -> torch.Tensor:
                return given[:, *box.scaled(factor).slices]

            return encode_box(pixels, one, self._geometry, canvas, canvas)
        canvas = Box(top=0, left=0, height=given.shape[1], width=given.shape[2])
        rgb = decode_box(lambda box: given[:, *box.slices].numpy(), one, self._geometry, canvas, canvas)
        return rgb.clamp(0, 1).mul(255).numpy()


def made_pictures(side: int) -> dict[str, torch.Tensor]:
    """A slow gradient, half dark and half bright, and noise: ``[3, side, side]`` in [0, 1]."""
    rng, ramp = np.random.default_rng(0), torch.linspace(0.35, 0.6, side)
    halves = torch.where(torch.arange(side) < side // 2, 0.1, 0.8)
    return {
        "gradient": ramp.expand(3, side, side),
        "halves": halves.expand(3, side, side),
        "noise": torch.from_numpy(rng.uniform(0, 1, (3, side, side)).astype(np.float32)),
    }


def compare(vae: Any, pictures: dict[str, torch.Tensor], *, side: int) -> list[dict[str, Any]]:
    """A row a picture and way: rms and largest mean of a channel against exact; of latents in their own deviations."""
    measured, rows = Measured(vae, side), []
    for name, pixels in pictures.items():
        latents = measured.run("encoder", pixels)
        decoded = measured.run("decoder", torch.from_numpy(latents["exact"]))
        scale = float(latents["exact"].std())
        for way in WAYS[:-1]:
            apart, coded = decoded[way] - decoded["exact"], (latents[way] - latents["exact"]) / scale
            row = {"picture": name, "way": way, "rms": float((apart**2).mean() ** 0.5)}
            row["mean"] = float(np.abs(apart.mean((1, 2))).max())
            rows.append({**row, "latents": float((coded**2).mean() ** 0.5)})
    return rows


def random_autoencoder(seed: int) -> Any:
    torch.manual_seed(seed)
    vae: Any = AutoencoderKL(
        block_out_channels=(4, 4, 8, 8),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        norm_num_groups=4,
        layers_per_block=1,
    )
    return vae.eval()


def summarize(record: dict[str, Any]) -> str:
    """Means over pictures and seeds, a row an autoencoder and way."""
    lines = [
        "| autoencoder | norms | rms of 255 | mean of a channel, of 255 | latents, rms of their deviation |",
        "|---|---|---|---|---|",
    ]
    for vae, rows in record["rows"].items():
        for way in WAYS[:-1]:
            here = [row for row in rows if row["way"] == way]
            means = [float(np.mean([row[key] for row in here])) for key in ("rms", "mean", "latents")]
            lines.append(f"| {vae} | {way} | {means[0]:.2f} | {means[1]:.2f} | {means[2]:.3f} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--vae", nargs="+", default=["random"])
    parser.add_argument("--data", type=Path, default=Path("../shared/data/eval"))
    parser.add_argument("--sets", nargs="+", default=list(SETS), help="folders below --data")
    parser.add_argument("--each", type=int, default=1, help="pictures of a set, at most")
    parser.add_argument("--side", type=int, default=1024, help="pixels a side of a picture")
    parser.add_argument("--window", type=int, default=64, help="latent pixels a side of a window of the autoencoder")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("runs/codec_norm"))
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    paths = [path for one in options.sets for path in find_pictures(options.data, [one])[: options.each]]
    pictures = {
        path.stem: centre_crop(path, options.side, halve=path.parent.name.startswith("aerial")) for path in paths
    }
    pictures |= made_pictures(options.side)
    record: dict[str, Any] = {**describe_code(), "side": options.side, "window": options.window, "rows": {}}
    for name in options.vae:
        loaded = (
            [random_autoencoder(seed) for seed in range(SEEDS)]
            if name == "random"
            else [AutoencoderKL.from_pretrained(name).eval()]
        )
        rows = [row for vae in loaded for row in compare(vae, pictures, side=options.window)]
        record["rows"][Path(name).name] = rows
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "codec_norm.json").write_text(json.dumps(record, indent=1) + "\n")
    (options.out / "codec_norm.md").write_text(summarize(record))
    print(summarize(record))


if __name__ == "__main__":
    main()
