"""Train the global restoration module: ``python training/train_restoration.py --data FOLDER --out FOLDER``.

The loss is PatchScaler's (arXiv 2405.17158, equation 1): L1 + lambda (C L2 - eta log C). It is least where the
confidence C is eta over the squared error, so C learns where the restoration by 4 can be trusted. Each batch is of one
scale. The same command resumes.
"""

from __future__ import annotations

import copy
import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
from crops import Crops, load_pictures
from degradations import SCALE, degrade
from loop import Loop, fast_numbers, parse_options
from vocabulary import PHRASES, spoken

from pipeline.models.embedded.restoration import ResidualBlock, RestorationModule

LAMBDA = 1.0
ETA = 5e-4
"""squared error at which the confidence reaches 1: 33 dB"""
SILENT_SHARE = 0.25
"""share of the samples without words: the module must serve without a tagger too"""
EMA = 0.999
BLOCKS = 16
SCALES = {4: 0.6, 2: 0.2, 1: 0.2}
"""scale -> its share of the batches"""
DRAWN = 0.15
"""share of the crops that are drawn"""
CLEAN = {4: 0.5, 2: 0.5, 1: 0.1}
"""scale -> share of the crops that are shrunk alone; of the others half are mild"""


def draw_rounds(scale: int, words: list[list[str]], rng: np.random.Generator) -> list[str]:
    """A profile for each crop; satellite scenes are never degraded twice."""
    return [
        "clean" if rng.random() < CLEAN[scale] else "mild" if rng.random() < 0.5 or "satellite" in said else "full"
        for said in words
    ]


def grow(weights: dict[str, torch.Tensor], blocks: int) -> dict[str, torch.Tensor]:
    """Weights of a smaller module with blocks that change next to nothing put after its own, up to ``blocks``.

    Their second convolutions are small and not zero, so that their first ones are taught from the start; words do not
    steer them yet.
    """
    found = dict(weights)
    have = len({name.split(".")[1] for name in weights if name.startswith("blocks.")})
    width = len(weights["conv_in.bias"])
    for number in range(have, blocks):
        block = ResidualBlock(width)
        with torch.no_grad():
            block.conv2.weight.mul_(0.1)
            block.conv2.bias = torch.nn.Parameter(torch.zeros(width))
        found |= {f"blocks.{number}.{name}": value for name, value in block.state_dict().items()}
    if "steer.weight" in weights and blocks > have:
        still = weights["steer.weight"].new_zeros(2 * width * (blocks - have), *weights["steer.weight"].shape[1:])
        found["steer.weight"] = torch.cat([weights["steer.weight"], still])
    return found


def grown_start(start: Path, out: Path) -> Path:
    """``start`` as it is where it has BLOCKS blocks; else a checkpoint grown from it, written into ``out``."""
    record = torch.load(start, map_location="cpu", weights_only=True)
    weights = grow(record["average"], BLOCKS)
    if weights.keys() == record["average"].keys():
        return start
    out.mkdir(parents=True, exist_ok=True)
    torch.save({"model": weights, "average": weights, "extra": {}}, out / "restoration-grown.pt")
    return out / "restoration-grown.pt"


def loss_of(
    restored: torch.Tensor,
    confidence: torch.Tensor,
    high: torch.Tensor,
    *,
    eta: float = ETA,
    weight: float = LAMBDA,
    scale: int = SCALE,
) -> tuple[torch.Tensor, torch.Tensor]:
    """PatchScaler's loss and the mean squared error; the squared error is averaged to the confidence's resolution."""
    error = restored - high
    squared = torch.nn.functional.avg_pool2d((error**2).mean(1, keepdim=True), scale)
    trusted = (confidence * squared - eta * confidence.log()).mean()
    return error.abs().mean() + weight * trusted, squared.mean()


def train(
    data: Path, out: Path, *, steps: int, batch: int, side: int, rate: float, seed: int, device: str, **more: Any
) -> RestorationModule:
    """The averaged module. ``more`` goes to Loop: ``stop_after``, ``minutes``, ``start``."""
    torch.manual_seed(seed)
    if more.get("start"):
        more["start"] = grown_start(more["start"], out)
    rng = np.random.default_rng(seed)
    model = RestorationModule(num_blocks=BLOCKS, phrases=PHRASES, scales=tuple(SCALES)).to(
        device, memory_format=torch.channels_last
    )
    average = copy.deepcopy(model).requires_grad_(False)
    crops = Crops(load_pictures(data), rng, DRAWN)
    loop = Loop(
        out / "restoration.pt",
        rng,
        steps=steps,
        rate=rate,
        parameters=[*model.parameters()],
        states={"model": model, "average": average},
        **more,
    )
    for _ in loop:
        scale = int(rng.choice(list(SCALES), p=list(SCALES.values())))
        high, words = crops.draw_described(batch, side * scale)
        low, done = degrade(high, rng, draw_rounds(scale, words, rng), scale)
        said = spoken([said + one.words() for said, one in zip(words, done, strict=True)], rng, SILENT_SHARE)
        low, high = (images.to(device, memory_format=torch.channels_last) for images in (low, high))
        with fast_numbers(device):
            restored, confidence = model(low, said.to(device), scale)
        trusted = LAMBDA if scale == SCALE else 0.0
        loss, squared = loss_of(restored, confidence, high, weight=trusted, scale=scale)
        loop.descend(loss)
        loop.average(average, model, EMA)
        found = -10 * math.log10(squared.item())
        loop.report(**{"loss": loss.item(), f"PSNR_x{scale}": found, "confidence": confidence.mean().item()})
    return average


def main() -> None:
    train(**parse_options(__doc__, steps=4000, batch=16, rate=5e-4, side=(40, "input pixels a side of a crop")))


if __name__ == "__main__":
    main()
