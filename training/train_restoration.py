"""Train the global restoration module: ``python training/train_restoration.py --data FOLDER --out FOLDER``.

The loss is PatchScaler's (arXiv 2405.17158, equation 1): L1 + lambda (C L2 - eta log C). It is least where the
confidence C is eta over the squared error, so C learns where the restoration by 4 can be trusted. Each batch is of one
scale. The same command resumes.
"""

from __future__ import annotations

import copy
import math
from pathlib import Path

import numpy as np
import torch
from crops import Crops, load_pictures
from degradations import SCALE, degrade
from loop import Loop, fast_numbers, parse_options
from vocabulary import PHRASES, spoken

from pipeline.models.embedded.restoration import RestorationModule

LAMBDA = 1.0
ETA = 5e-4
"""squared error at which the confidence reaches 1: 33 dB"""
SILENT_SHARE = 0.25
"""share of the samples without words: the module must serve without a tagger too"""
EMA = 0.999
NEXT_TO_NOTHING = 0.1
"""of a new block's last convolution, where a smaller module is gone on from"""
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


def grown(model: RestorationModule, weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Weights of fewer blocks or scales as the model's: what is new begins as it is, and new blocks next to nothing."""
    found = model.state_dict()
    for name, value in found.items():
        old = weights.get(name)
        if old is None:
            found[name] = value * NEXT_TO_NOTHING if name.startswith("blocks.") and ".conv2." in name else value
        elif name == "steer.weight":
            found[name] = torch.zeros_like(value)
            found[name][: len(old)] = old
        else:
            found[name] = old
    return found


def train(
    data: Path, out: Path, *, steps: int, batch: int, side: int, rate: float, seed: int, device: str, **more: object
) -> RestorationModule:
    """The averaged module. ``more`` goes to Loop: ``stop_after``, ``minutes``."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    others = tuple(sorted(set(SCALES) - {SCALE}))
    model = RestorationModule(num_blocks=BLOCKS, phrases=PHRASES, scales=others).to(
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
        adapt=lambda name, weights: grown({"model": model, "average": average}[name], weights),
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
