"""Lessons in sharpness: coarse latents, and the latents that a sharp teacher makes of the same pictures, on disk.

A network trained against a critic (Real-ESRGAN's x4plus) is sharp and invents; the restoration module is faithful and
soft. The target takes from each what it is good at, by frequency: up to what the input can hold the faithful picture
stays, beyond it, where the faithful one has next to nothing, the teacher's detail takes its place. A teacher is a
function: the same input gives the same detail, so a plain loss learns what can be foreseen of it.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import torch

FIRST, LAST = 0.1, 0.2
"""cycles an output pixel: below the first the faithful picture alone, from the last on the teacher's detail; 0.125 is
the most that the input can hold at a scale of 4"""
GAIN = 1.5
"""of the teacher's detail at its fullest: at 1 it is softer than true pictures, and a student is softer than it"""


def sharp_target(faithful: torch.Tensor, sharp: torch.Tensor, gain: float = GAIN) -> torch.Tensor:
    """[..., y, x]: ``faithful``, with ``gain`` times the difference of ``sharp`` added at high frequencies.

    >>> even = torch.full((1, 8, 8), 0.5)
    >>> bool((sharp_target(even, even + 0.1) - even).abs().max() < 1e-6)
    True
    """
    height, width = faithful.shape[-2:]
    rows, columns = torch.fft.fftfreq(height)[:, None], torch.fft.rfftfreq(width)[None]
    share = ((torch.hypot(rows, columns) - FIRST) / (LAST - FIRST)).clamp(0, 1)
    detail = torch.fft.irfft2(torch.fft.rfft2(sharp - faithful) * (gain * share), s=(height, width))
    return faithful + detail


class Lessons:
    """Shards of latents, float16 and normalised a channel, in a folder that may still be growing."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.coarse: list[torch.Tensor] = []
        """a shard each: [n, c, y, x], of the restored picture"""
        self.plain: list[torch.Tensor] = []
        """of the bicubic enlargement"""
        self.target: list[torch.Tensor] = []
        self.phrases: list[list[list[str]]] = []
        self.read: list[str] = []
        """names of the shards that were read, in order"""

    def refresh(self, most: int | None = None) -> int:
        """Read the shards that are new, ``most`` at the most in all; how many there are now."""
        for path in sorted(self.folder.glob("*.pt")):
            if path.name in self.read or (most is not None and len(self.read) >= most):
                continue
            shard = torch.load(path, weights_only=True)
            for kept, name in ((self.coarse, "coarse"), (self.plain, "plain"), (self.target, "target")):
                kept.append(shard[name])
            self.phrases.append(shard["phrases"])
            self.read.append(path.name)
        if not self.read:
            raise FileNotFoundError(f"no lessons in {self.folder}: write some with training/teach.py --out")
        return len(self.read)

    def cut(
        self, rng: np.random.Generator, batch: int, side: int, plain_share: float
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, list[list[str]]]:
        """Windows of ``side`` latent pixels: the restored coarse latent, what is given (the bicubic one in
        ``plain_share``) and the target; and the phrases."""
        rows: list[tuple[torch.Tensor, torch.Tensor, torch.Tensor]] = []
        said = []
        for _ in range(batch):
            shard = int(rng.integers(len(self.read)))
            at = int(rng.integers(len(self.coarse[shard])))
            y, x = (int(v) for v in rng.integers(0, self.coarse[shard].shape[2] - side + 1, 2))
            kinds = (self.coarse, self.plain if rng.random() < plain_share else self.coarse, self.target)
            rows.append(tuple(kind[shard][at, :, y : y + side, x : x + side].float() for kind in kinds))  # type: ignore[arg-type]
            said.append(self.phrases[shard][at])
        restored, given, target = (torch.stack(windows) for windows in zip(*rows, strict=True))
        return restored, given, target, said


def write_lesson(path: Path, **tensors: object) -> None:
    """Whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(tensors, path.with_suffix(".tmp"))
    path.with_suffix(".tmp").rename(path)


def mean_energy(detail: torch.Tensor, side: int = 5) -> torch.Tensor:
    """[b, c, y, x]: the root of the mean square over ``side`` pixels round each place.

    >>> round(float(mean_energy(torch.full((1, 1, 9, 9), -2.0)).mean()), 3)
    2.0
    """
    square = torch.nn.functional.avg_pool2d(detail**2, side, stride=1, padding=side // 2, count_include_pad=False)
    return (square + math.ulp(1.0)).sqrt()
