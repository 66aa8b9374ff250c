"""Lessons in sharpness: inputs, true pictures, and what a sharp teacher makes of the inputs, on disk.

A network trained against a critic (Real-ESRGAN's x4plus) is sharp and invents; the restoration module is faithful and
soft. A teacher is a function: the same input gives the same detail, so a student can learn to draw like it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

SCALE = 4
KINDS = {"low": 1, "high": SCALE, "teacher": SCALE}
"""what a lesson has, [n, 3, y, x] uint8 each, and its pixels a side of one of the input's"""


class Lessons:
    """Shards in a folder that may still be growing."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.shards: list[dict[str, Any]] = []
        self.read: list[str] = []
        """names of the shards that were read, in order"""

    def refresh(self, most: int | None = None) -> int:
        """Read the shards that are new, ``most`` at the most in all; how many there are now."""
        for path in sorted(self.folder.glob("*.pt")):
            if path.name in self.read or (most is not None and len(self.read) >= most):
                continue
            self.shards.append(torch.load(path, weights_only=True))
            self.read.append(path.name)
        if not self.read:
            raise FileNotFoundError(f"no lessons in {self.folder}: write some with training/teach.py --out")
        return len(self.read)

    def cut(self, rng: np.random.Generator, batch: int, side: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Windows of ``side`` input pixels, turned and mirrored, in [0, 1]: inputs, true pictures, the teacher's.

        Of drawn pages the truth is sharper than any teacher: it takes the teacher's place.
        """
        rows: list[list[torch.Tensor]] = []
        for _ in range(batch):
            shard = self.shards[int(rng.integers(len(self.shards)))]
            at = int(rng.integers(len(shard["low"])))
            y, x = (int(v) for v in rng.integers(0, shard["low"].shape[2] - side + 1, 2))
            turns, mirrors = int(rng.integers(4)), bool(rng.random() < 0.5)
            taught = "high" if "drawn" in shard["words"][at] else "teacher"
            row = []
            for name in ("low", "high", taught):
                times = KINDS[name]
                window = shard[name][at, :, times * y : times * (y + side), times * x : times * (x + side)]
                window = torch.rot90(window, turns, (1, 2))
                row.append(window.flip(2) if mirrors else window)
            rows.append(row)
        low, high, teacher = (torch.stack(windows).float() / 255 for windows in zip(*rows, strict=True))
        return low, high, teacher


def write_lesson(path: Path, **tensors: object) -> None:
    """Whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(tensors, path.with_suffix(".tmp"))
    path.with_suffix(".tmp").rename(path)
