"""Pictures for the quality benchmark: crops of a folder's images, and their degraded versions."""

from __future__ import annotations

import argparse
import platform
import subprocess
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
import torch
from rasterio.errors import NotGeoreferencedWarning

from storage.box import Box
from storage.images import open_image
from storage.images.layout import Choice
from training.degradations import PROFILES, SCALE, Strength, degrade

SETS = ("aerial-brighton", "aerial-lewis", "naip")
MIXED, QUARTERS = "mixed", ("clean", "full", "mild", "full")
SUFFIXES = (".jpg", ".jpeg", ".png", ".tif", ".tiff")


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One crop, as it should be and as it is given."""

    group: str
    """its folder"""
    name: str
    degradation: str
    """a profile of training/degradations.py, or MIXED"""
    truth: torch.Tensor
    """[3, y, x] in [0, 1]"""
    low: torch.Tensor
    """[3, y / 4, x / 4] in [0, 1], whole multiples of 1 / 255"""
    strength: Strength


def find_pictures(root: Path, groups: list[str]) -> list[Path]:
    """Image files in ``groups``, folders below ``root``; those in ``root`` itself where no group is given.

    Raises FileNotFoundError where a folder is missing or holds none.
    """
    found = []
    for folder in [root / group for group in groups] or [root]:
        if not folder.is_dir():
            raise FileNotFoundError(f"no folder {folder}: give --data a folder of images and --sets folders in it")
        here = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
        if not here:
            raise FileNotFoundError(f"no {', '.join(SUFFIXES)} in {folder}: give --data or --sets a folder of images")
        found += here
    return found


def centre_crop(path: Path, side: int, halve: bool) -> torch.Tensor:
    """[3, y, x] in [0, 1]: the middle ``side`` pixels, or as many as there are, in whole multiples of 16.

    ``halve`` averages 2 x 2 pixels first: it takes away what a camera's JPEG left.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(path) as probe:
            bands = (1, 2, 3) if probe.count >= 3 else (1,)
    with open_image(str(path), choice=Choice(only=bands)) as source:
        info, factor = source.info, 2 if halve else 1
        if info.dtype != "uint8":
            raise ValueError(f"{path}: expected 8 bits a band, found {info.dtype}; convert it to uint8 first")
        height, width = (min(side, size // factor) // 16 * 16 * factor for size in (info.height, info.width))
        box = Box(top=(info.height - height) // 2, left=(info.width - width) // 2, height=height, width=width)
        pixels = torch.from_numpy(source.read(box).astype(np.float32) / 255)
    pixels = pixels.expand(3, -1, -1)
    return torch.nn.functional.avg_pool2d(pixels, factor) if halve else pixels


def make_examples(paths: list[Path], *, side: int, halved: str, degradations: list[str], seed: int) -> list[Example]:
    """Every picture under every degradation; the same seed degrades the same picture the same way.

    ``halved``: pictures in folders whose name starts so are halved first; "" for none.
    """
    examples = []
    for number, path in enumerate(paths):
        truth = centre_crop(path, side, bool(halved) and path.parent.name.startswith(halved))
        for profile in degradations:
            rng = np.random.default_rng([seed, number, *profile.encode()])
            low, strength = degrade_mixed(truth, rng) if profile == MIXED else _degrade_one(truth, rng, profile)
            assert low.shape[-1] * SCALE == truth.shape[-1]
            examples.append(
                Example(
                    group=path.parent.name,
                    name=path.stem,
                    degradation=profile,
                    truth=truth,
                    low=low,
                    strength=strength,
                )
            )
    return examples


def _degrade_one(truth: torch.Tensor, rng: np.random.Generator, profile: str) -> tuple[torch.Tensor, Strength]:
    low, (strength,) = degrade(truth[None], rng, [profile])
    return low[0], strength


def degrade_mixed(truth: torch.Tensor, rng: np.random.Generator) -> tuple[torch.Tensor, Strength]:
    """Each quarter of a picture degraded apart, by QUARTERS from the top left on; the strongest of each kind is told.

    A mosaic of scenes taken on different days looks like it: one description for all of it is wrong somewhere.
    """
    middle = [size // 2 // SCALE * SCALE for size in truth.shape[1:]]
    halves = [(slice(0, at), slice(at, None)) for at in middle]
    places = [(ys, xs) for ys in halves[0] for xs in halves[1]]
    made = [_degrade_one(truth[:, ys, xs], rng, profile) for (ys, xs), profile in zip(places, QUARTERS, strict=True)]
    rows = [torch.cat([made[n][0], made[n + 1][0]], 2) for n in (0, 2)]
    kinds = ("blur", "noise", "jpeg")
    strongest = Strength(**{kind: max(getattr(strength, kind) for _, strength in made) for kind in kinds})
    return torch.cat(rows, 1), strongest


def add_picture_options(parser: argparse.ArgumentParser, *, side: int) -> None:
    """Which pictures, and how they are degraded and run; ``side`` is the default size of a crop."""
    parser.add_argument("--data", type=Path, default=Path("../shared/data/eval"))
    parser.add_argument("--sets", nargs="*", default=list(SETS), help="folders below --data; none: --data itself")
    parser.add_argument("--degradations", nargs="+", default=list(PROFILES), choices=[*PROFILES, MIXED])
    parser.add_argument("--halved", default="aerial", help="folders whose name starts so are halved first")
    parser.add_argument("--side", type=int, default=side, help="pixels a side of a crop")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)


def load_examples(options: argparse.Namespace) -> list[Example]:
    """What those options say; the process is given their number of threads."""
    torch.set_num_threads(options.threads)
    paths = find_pictures(options.data, options.sets)
    return make_examples(
        paths, side=options.side, halved=options.halved, degradations=options.degradations, seed=options.seed
    )


def describe_code() -> dict[str, str]:
    """The commit and the machine that figures come from."""
    words = ["git", "rev-parse", "--short", "HEAD"]
    commit = subprocess.run(words, capture_output=True, text=True, check=False).stdout.strip()
    return {"machine": platform.machine(), "commit": commit}
