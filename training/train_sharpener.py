"""Train the sharpener: ``python training/train_sharpener.py --lessons FOLDER --out FOLDER``.

It learns a sharp teacher's detail from lessons (lessons.py). The teacher is a function, so the plain error is small
where its detail can be foreseen, along edges; where it cannot, in textures, the plain error alone would leave nothing,
and the amount of detail is asked for beside it. The same command resumes.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lessons import Lessons, mean_energy
from loop import Loop, fast_numbers, parse_options

from pipeline.models.embedded.sharpener import Sharpener

PLAIN_SHARE = 0.1
"""share of the samples whose coarse latent is bicubic: it leaves more to do"""
ENERGY = 0.1
"""weight of the amount of detail"""
EMA = 0.998
RESCAN = 200
"""steps after which new lessons are looked for"""


def loss_of(detail: torch.Tensor, target: torch.Tensor, weights: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The plain error of a detail and that of its amount; channels weighted [1, c, 1, 1] by how they move pixels."""
    plain = (weights * (detail - target).abs()).mean()
    return plain, (weights * (mean_energy(detail) - mean_energy(target)).abs()).mean()


def train(
    lessons: Path,
    out: Path,
    *,
    steps: int,
    batch: int,
    side: int,
    rate: float,
    seed: int,
    device: str,
    **more: Any,
) -> Sharpener:
    """The averaged sharpener. ``more`` goes to Loop: ``stop_after``, ``minutes``, ``start``."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    found = Lessons(lessons)
    found.refresh()
    model = Sharpener().to(device, memory_format=torch.channels_last)
    average = copy.deepcopy(model).requires_grad_(False)
    weights = torch.load(out / "denoiser.pt", map_location="cpu", weights_only=True)["extra"]["std"].to(device)
    loop = Loop(
        out / "sharpener.pt",
        rng,
        steps=steps,
        rate=rate,
        parameters=[*model.parameters()],
        states={"model": model, "average": average},
        **more,
    )
    for step in loop:
        if step % RESCAN == 0:
            found.refresh()
        _, given, target, _ = found.cut(rng, batch, side, PLAIN_SHARE)
        given, target = (one.to(device, memory_format=torch.channels_last) for one in (given, target))
        with fast_numbers(device):
            detail = model(given)
        plain, amount = loss_of(detail.float(), target - given, weights)
        loop.descend(plain + ENERGY * amount)
        loop.average(average, model, EMA)
        to_do = (weights * (target - given).abs()).mean()
        loop.report(loss=plain.item(), amount=amount.item(), to_do=to_do.item())
    return average


def main() -> None:
    options = parse_options(
        __doc__,
        steps=6000,
        batch=16,
        rate=1e-3,
        side=(40, "latent pixels a side of a window"),
        paths={"lessons": "folder that teach.py wrote"},
    )
    del options["data"]
    train(**options)


if __name__ == "__main__":
    main()
