"""Train the global restoration module: ``python training/train_restoration.py --data FOLDER --out FOLDER``.

The loss is PatchScaler's (arXiv 2405.17158, equation 1): L1 + lambda (C L2 - eta log C). It is least where the
confidence C is eta over the squared error, so C learns where the restoration can be trusted. The same command resumes.
"""

from __future__ import annotations

import copy
import math
from pathlib import Path

import numpy as np
import torch
from crops import Crops, load_pictures
from degradations import SCALE, degrade, draw_profiles
from loop import Loop, fast_numbers, parse_options
from vocabulary import PHRASES, spoken

from pipeline.models.embedded.restoration import RestorationModule

LAMBDA = 1.0
ETA = 5e-4
"""squared error at which the confidence reaches 1: 33 dB"""
SILENT_SHARE = 0.25
"""share of the samples without words: the module must serve without a tagger too"""
EMA = 0.998


def loss_of(
    restored: torch.Tensor, confidence: torch.Tensor, high: torch.Tensor, *, eta: float = ETA, weight: float = LAMBDA
) -> tuple[torch.Tensor, torch.Tensor]:
    """PatchScaler's loss and the mean squared error; the squared error is averaged to the confidence's resolution."""
    error = restored - high
    squared = torch.nn.functional.avg_pool2d((error**2).mean(1, keepdim=True), SCALE)
    trusted = (confidence * squared - eta * confidence.log()).mean()
    return error.abs().mean() + weight * trusted, squared.mean()


def train(
    data: Path, out: Path, *, steps: int, batch: int, side: int, rate: float, seed: int, device: str, **more: object
) -> RestorationModule:
    """The averaged module. ``more`` goes to Loop: ``stop_after``, ``minutes``."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    model = RestorationModule(phrases=PHRASES).to(device, memory_format=torch.channels_last)
    average = copy.deepcopy(model).requires_grad_(False)
    crops = Crops(load_pictures(data), rng)
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
        high, words = crops.draw_described(batch, side * SCALE)
        low, done = degrade(high, rng, draw_profiles(words, rng))
        said = spoken([said + one.words() for said, one in zip(words, done, strict=True)], rng, SILENT_SHARE)
        low, high = (images.to(device, memory_format=torch.channels_last) for images in (low, high))
        with fast_numbers(device):
            restored, confidence = model(low, said.to(device))
        loss, squared = loss_of(restored, confidence, high)
        loop.descend(loss)
        loop.average(average, model, EMA)
        loop.report(loss=loss.item(), PSNR=-10 * math.log10(squared.item()), confidence=confidence.mean().item())
    return average


def main() -> None:
    train(**parse_options(__doc__, steps=4000, batch=16, rate=5e-4, side=(40, "input pixels a side of a crop")))


if __name__ == "__main__":
    main()
