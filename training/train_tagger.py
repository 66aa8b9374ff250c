"""Train the tagger: ``python training/train_tagger.py --data FOLDER --out FOLDER``.

It reads the degraded crop and learns the words of the clean one, and those of the degradations that were applied.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import torch
from crops import Crops, load_pictures
from degradations import SCALE, degrade, draw_profiles
from loop import Loop, parse_options
from vocabulary import PHRASES

from pipeline.models.embedded.tagger import Tagger

EMA = 0.998


def targets(words: list[list[str]]) -> torch.Tensor:
    """[b, phrases]: 1 where a phrase holds."""
    return torch.tensor([[float(phrase in said) for phrase in PHRASES] for said in words])


def train(
    data: Path,
    out: Path,
    *,
    steps: int,
    batch: int,
    side: int,
    rate: float,
    seed: int,
    device: str,
    calibration: int = 1600,
    **more: Any,
) -> Tagger:
    """The averaged tagger. Crops are ``side`` input pixels or twice that. ``more`` goes to Loop."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    model = Tagger(phrases=PHRASES).to(device, memory_format=torch.channels_last)
    average = copy.deepcopy(model).requires_grad_(False)
    crops = Crops(load_pictures(data), rng)
    loop = Loop(
        out / "tagger.pt",
        rng,
        steps=steps,
        rate=rate,
        parameters=[*model.parameters()],
        states={"model": model, "average": average},
        **more,
    )
    for step in loop:
        low, wanted = draw_labelled(crops, batch, side * (1 + step % 2))
        wanted = wanted.to(device)
        logits = model(low.to(device, memory_format=torch.channels_last))
        loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, wanted)
        loop.descend(loss)
        loop.average(average, model, EMA)
        right = ((logits > 0) == (wanted > 0.5)).float().mean()
        loop.report(loss=loss.item(), right=right.item())
    if loop.ended:
        crops.rng = np.random.default_rng(seed + 1)
        loop.extra = {"thresholds": calibrate(average, crops, calibration, side)}
        loop.save()
    return average


def draw_labelled(crops: Crops, batch: int, side: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Degraded crops of ``side`` input pixels, and which phrases hold for them."""
    high, words = crops.draw_described(batch, side * SCALE)
    low, strengths = degrade(high, crops.rng, draw_profiles(words, crops.rng))
    return low, targets([said + done.words() for said, done in zip(words, strengths, strict=True)])


@torch.inference_mode()
def calibrate(model: Tagger, crops: Crops, count: int, side: int) -> list[float]:
    """For each phrase the threshold of the best F1 on ``count`` new crops."""
    probabilities, wanted = [], []
    device = model.conv_in.weight.device
    for _ in range(0, count, 32):
        low, holds = draw_labelled(crops, 32, 2 * side)
        probabilities.append(torch.sigmoid(model(low.to(device))).cpu())
        wanted.append(holds)
    p, w = torch.cat(probabilities).numpy(), torch.cat(wanted).numpy() > 0.5
    return [best_threshold(p[:, column], w[:, column]) for column in range(len(PHRASES))]


def best_threshold(probabilities: np.ndarray, holds: np.ndarray) -> float:
    """The threshold of the best F1 = 2 TP / (2 TP + FP + FN); 0.5 where nothing holds.

    >>> best_threshold(np.array([0.1, 0.3, 0.4, 0.9]), np.array([False, True, True, True]))
    0.2
    """
    if not holds.any():
        return 0.5
    candidates = np.arange(1, 20) / 20

    def f1(least: float) -> float:
        said = probabilities >= least
        return float(2 * (said & holds).sum() / max(1, said.sum() + holds.sum()))

    return float(max(candidates, key=f1))


def main() -> None:
    train(**parse_options(__doc__, steps=4000, batch=32, rate=2e-3, side=(40, "input pixels a side of a crop")))


if __name__ == "__main__":
    main()
