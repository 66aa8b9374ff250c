"""Measure the embedded model: ``python training/evaluate.py --data ../shared/data/eval --sheet sheet.png``.

Centre crops of 512 pixels (aerials halved first), shrunk by 4 with antialiased bicubic and rounded to 8 bits, enlarged
again by bicubic, by Lanczos, and by the model at several step counts, untiled. Prints a Markdown table of means.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import numpy as np
import rasterio
import torch
from crops import enlarge, shrink
from PIL import Image

from pipeline.backbone import Backbone
from pipeline.backbones.loading import describe_model, load_backbone
from pipeline.denoise import PromptTable, predict_tiles
from pipeline.metrics import ms_ssim, ssim, vif
from pipeline.noise import keyed_noise
from pipeline.solver import build_solver
from storage.box import Box

CROP = 512
SETS = ("aerial-brighton", "aerial-lewis", "naip")


def load_crops(root: Path) -> dict[str, list[torch.Tensor]]:
    """[3, 512, 512] in [0, 1] by set."""
    crops: dict[str, list[torch.Tensor]] = defaultdict(list)
    for name in SETS:
        for path in sorted((root / name).iterdir()):
            if path.suffix == ".tif":
                with rasterio.open(path) as raster:
                    pixels = raster.read([1, 2, 3]).transpose(1, 2, 0)
            else:
                picture = Image.open(path).convert("RGB")
                pixels = np.asarray(picture.resize((picture.width // 2, picture.height // 2), Image.Resampling.BOX))
            top, left = (pixels.shape[0] - CROP) // 2, (pixels.shape[1] - CROP) // 2
            crop = torch.from_numpy(pixels[top : top + CROP, left : left + CROP].copy())
            crops[name].append(crop.permute(2, 0, 1).float() / 255)
    return crops


def restore(backbone: Backbone, scheduler: dict[str, object], low: torch.Tensor, steps: int) -> torch.Tensor:
    """The model on one whole picture: [3, y, x] -> [3, 4 y, 4 x]."""
    coarse = backbone.encode(enlarge(low[None]))
    solver = build_solver("ddim", scheduler, steps=steps)
    box = Box(top=0, left=0, height=coarse.shape[2], width=coarse.shape[3])
    z = solver.start(torch.from_numpy(keyed_noise(box, channels=coarse.shape[1], seed=0, stage=0, draw=0)), None)
    for step in range(steps):
        prediction = predict_tiles(backbone, solver, step, z[None], coarse, PromptTable(), 1.0)
        z, _ = solver.step(step, z, prediction[0])
    return backbone.decode(z[None])[0]


def lanczos(low: torch.Tensor) -> torch.Tensor:
    picture = Image.fromarray((low.permute(1, 2, 0).numpy() * 255).round().astype(np.uint8))
    large = picture.resize((picture.width * 4, picture.height * 4), Image.Resampling.LANCZOS)
    return torch.from_numpy(np.asarray(large).copy()).permute(2, 0, 1).float() / 255


def figures(result: torch.Tensor, truth: torch.Tensor, low: torch.Tensor | None) -> dict[str, float]:
    found, true = ((image.clamp(0, 1) * 255).round().numpy() for image in (result, truth))
    table = {
        "PSNR": 10 * np.log10(255**2 / ((found - true) ** 2).mean()),
        "SSIM": ssim(found, true, 255.0),
        "MS-SSIM": ms_ssim(found, true, 255.0),
        "VIF": vif(found, true, 255.0),
    }
    if low is not None:
        again = shrink(torch.from_numpy(found)[None] / 255)[0]
        table["consistency"] = float(-10 * torch.log10(((again - low) ** 2).mean()))
    return table


def evaluate(root: Path, model: str, steps: list[int], sheet: Path | None, dtype: str) -> None:
    card = describe_model(model)
    backbone = load_backbone(card, device="cpu", dtype=dtype)
    methods: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
        "bicubic": lambda low: enlarge(low[None])[0],
        "Lanczos": lanczos,
    }
    for count in steps:
        methods[f"{model}, {count} steps"] = lambda low, count=count: restore(backbone, card.scheduler, low, count)
    rows: dict[tuple[str, str], list[dict[str, float]]] = defaultdict(list)
    pictures = []
    for name, crops in load_crops(root).items():
        for truth in crops:
            low = (shrink(truth[None])[0] * 255).round() / 255
            strip = [truth]
            for method, run in methods.items():
                result = run(low)
                strip.append(result)
                rows[name, method].append(figures(result, truth, low))
            again = backbone.decode(backbone.encode(truth[None]))[0]
            rows[name, "autoencoder alone"].append(figures(again, truth, None))
            pictures.append(torch.cat([image[:, 128:384, 128:384].clamp(0, 1) for image in strip], dim=2))
    _print_table(rows)
    if sheet is not None:
        pixels = (torch.cat(pictures, dim=1).permute(1, 2, 0).numpy() * 255).round().astype(np.uint8)
        Image.fromarray(pixels).save(sheet)
        print(f"\n{sheet}: truth, {', '.join(methods)} from left to right")


def _print_table(rows: dict[tuple[str, str], list[dict[str, float]]]) -> None:
    columns = ["PSNR", "SSIM", "MS-SSIM", "VIF", "consistency"]
    print("| set | method | " + " | ".join(columns) + " |")
    print("|---" * (len(columns) + 2) + "|")
    for (name, method), tables in rows.items():
        cells = []
        for column in columns:
            values = [table[column] for table in tables if column in table]
            cells.append(f"{np.mean(values):.3f}" if values else "")
        print(f"| {name} | {method} | " + " | ".join(cells) + " |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data/eval"))
    parser.add_argument("--model", default="embedded")
    parser.add_argument("--steps", type=int, nargs="+", default=[1, 4, 8])
    parser.add_argument("--sheet", type=Path)
    parser.add_argument("--dtype", default="bfloat16")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    evaluate(options.data, options.model, options.steps, options.sheet, options.dtype)


if __name__ == "__main__":
    main()
