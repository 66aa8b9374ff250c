"""Synthetic degradations by 4, 2 or 1, and what they did: blur, resizing, noise, JPEG, in two rounds (2107.10833).

Three profiles: ``clean`` is antialiased bicubic alone, ``mild`` one gentle round as satellite and drone pictures have
it, ``full`` two rounds. Widths and noise are drawn in the scale of the low-resolution picture, which is also the scale
of the latents, and the labels say how strong each kind is in that scale, whichever rounds it came from.
"""

from __future__ import annotations

import io
import math
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image

SCALE = 4
PROFILES = {"clean": 0.35, "mild": 0.3, "full": 0.35}
"""profile -> its share in training"""
STRONG = {"blur": 0.55, "noise": 0.024, "jpeg": 30.0}
"""from here on a degradation is strong: sigma in input pixels, sigma of [0, 1], 100 - quality"""
SLIGHT = {"blur": 0.25, "noise": 0.006, "jpeg": 5.0}
"""below this it is not mentioned"""


@dataclass(slots=True, kw_only=True)
class Strength:
    """What was done to one picture, in low-resolution pixels."""

    blur: float = 0.0
    """standard deviation of all blurs together, beyond the antialiased bicubic"""
    noise: float = 0.0
    """standard deviation, of values in [0, 1]"""
    jpeg: float = 0.0
    """100 - quality of the worst coding; 0 for none"""

    def words(self) -> list[str]:
        """Such as ["strong blur", "slight jpeg"]; ["clean"] where nothing is worth a word."""
        said = []
        for kind in ("blur", "noise", "jpeg"):
            value = getattr(self, kind)
            if value >= SLIGHT[kind]:
                said.append(f"{'strong' if value >= STRONG[kind] else 'slight'} {kind}")
        return said or ["clean"]


def shrink(high: torch.Tensor, scale: int = SCALE) -> torch.Tensor:
    """Antialiased bicubic, clipped: ``[b, 3, y / scale, x / scale]``."""
    return _resize(high, (high.shape[2] // scale, high.shape[3] // scale)).clamp(0, 1)


def draw_profiles(words: list[list[str]], rng: np.random.Generator, shares: dict[str, float] = PROFILES) -> list[str]:
    """A profile for each picture by ``shares``; satellite scenes, by their words, never twice degraded."""
    drawn = rng.choice(list(shares), len(words), p=list(shares.values()))
    return [
        "mild" if "satellite" in said and name == "full" else str(name) for said, name in zip(words, drawn, strict=True)
    ]


def degrade(
    high: torch.Tensor, rng: np.random.Generator, profiles: list[str] | None = None, scale: int = SCALE
) -> tuple[torch.Tensor, list[Strength]]:
    """Low-resolution versions ``[b, 3, y / scale, x / scale]`` rounded to 8 bits, and what was done to each.

    ``profiles`` fixes each picture's profile; it is drawn by PROFILES where None.
    """
    if profiles is None:
        profiles = draw_profiles([[]] * len(high), rng)
    made = [ROUNDS[profile](one[None], rng, scale) for one, profile in zip(high, profiles, strict=True)]
    return torch.cat([low for low, _ in made]), [strength for _, strength in made]


def enlarge(low: torch.Tensor) -> torch.Tensor:
    """Bicubic by 4, clipped: the plain enlargement."""
    return torch.nn.functional.interpolate(low, scale_factor=SCALE, mode="bicubic", align_corners=False).clamp(0, 1)


def _clean(high: torch.Tensor, rng: np.random.Generator, scale: int) -> tuple[torch.Tensor, Strength]:
    return _rounded(shrink(high, scale)), Strength()


def _mild(high: torch.Tensor, rng: np.random.Generator, scale: int) -> tuple[torch.Tensor, Strength]:
    done = Strength()
    if rng.random() < 0.6:
        done.blur = float(rng.uniform(0.1, 0.5))
        high = _blur(high, done.blur * scale, done.blur * scale, 0.0)
    low = shrink(high, scale)
    if rng.random() < 0.6:
        done.noise = float(rng.uniform(0.002, 0.012))
        low = _add_noise(low, done.noise, rng)
    low = _rounded(low)
    if rng.random() < 0.5:
        quality = int(rng.integers(75, 97))
        done.jpeg = 100.0 - quality
        low = _jpeg(low, quality)
    return low, done


def _full(high: torch.Tensor, rng: np.random.Generator, scale: int) -> tuple[torch.Tensor, Strength]:
    done = Strength()
    height, width = high.shape[2:]
    image = _random_blur(high, rng, done, 0.2, 0.7, at=scale)
    between = float(np.exp(rng.uniform(np.log(min(1.0, 1.4 / scale)), np.log(1.2))))
    size = (max(height // scale, round(height * between)), max(width // scale, round(width * between)))
    image = _resize(image, size, str(rng.choice(["bicubic", "bilinear", "area"])))
    if rng.random() < 0.6:
        image = _noise(image, rng, done, 0.004, 0.05, shrunk_by=scale * between)
    if rng.random() < 0.6:
        image = _coded(image, rng, done, 45, 95, weight=0.5)
    if rng.random() < 0.7:
        image = _random_blur(image, rng, done, 0.1, 0.4, at=scale * between)
    low = _resize(image, (height // scale, width // scale), str(rng.choice(["bicubic", "bilinear", "area"])))
    if rng.random() < 0.6:
        low = _noise(low, rng, done, 0.004, 0.05, shrunk_by=1.0)
    low = _rounded(low)
    if rng.random() < 0.6:
        low = _coded(low, rng, done, 45, 95, weight=1.0)
    return low, done


ROUNDS = {"clean": _clean, "mild": _mild, "full": _full}


def _random_blur(
    image: torch.Tensor, rng: np.random.Generator, done: Strength, least: float, most: float, *, at: float
) -> torch.Tensor:
    """A turned Gaussian with sigmas drawn in input pixels, on an image with ``at`` pixels to one of these."""
    first = float(rng.uniform(least, most))
    second = first * float(rng.uniform(0.6, 1.0)) if rng.random() < 0.5 else first
    done.blur = math.sqrt(done.blur**2 + first * second)
    return _blur(image, first * at, second * at, float(rng.uniform(0, math.pi)))


def _blur(image: torch.Tensor, sigma_x: float, sigma_y: float, angle: float) -> torch.Tensor:
    if max(sigma_x, sigma_y) < 0.2:
        return image
    reach = min(max(1, math.ceil(2.5 * max(sigma_x, sigma_y))), min(image.shape[2:]) - 1)
    offsets = torch.arange(-reach, reach + 1, dtype=torch.float32)
    y, x = torch.meshgrid(offsets, offsets, indexing="ij")
    along, across = x * math.cos(angle) + y * math.sin(angle), y * math.cos(angle) - x * math.sin(angle)
    kernel = torch.exp(-0.5 * ((along / max(sigma_x, 0.2)) ** 2 + (across / max(sigma_y, 0.2)) ** 2))
    kernel = (kernel / kernel.sum()).expand(3, 1, -1, -1)
    padded = torch.nn.functional.pad(image, (reach,) * 4, mode="reflect")
    return torch.nn.functional.conv2d(padded, kernel, groups=3)


def _resize(image: torch.Tensor, size: tuple[int, int], mode: str = "bicubic") -> torch.Tensor:
    if mode == "area":
        return torch.nn.functional.interpolate(image, size, mode="area")
    return torch.nn.functional.interpolate(image, size, mode=mode, antialias=True, align_corners=False)


def _noise(
    image: torch.Tensor, rng: np.random.Generator, done: Strength, least: float, most: float, *, shrunk_by: float
) -> torch.Tensor:
    """Gaussian (grey or coloured) or photon noise; a later shrinking averages it down by its factor."""
    sigma = float(np.exp(rng.uniform(np.log(least), np.log(most))))
    kind = rng.random()
    if kind < 0.3:  # photons: the variance follows the brightness
        image = image + torch.from_numpy(rng.normal(0, 1, image.shape).astype(np.float32)) * (
            sigma * (image.clamp(0, 1) * 2).sqrt()
        )
    else:
        image = _add_noise(image, sigma, rng, grey=kind < 0.6)
    done.noise = math.sqrt(done.noise**2 + (sigma / max(1.0, shrunk_by)) ** 2)
    return image


def _add_noise(image: torch.Tensor, sigma: float, rng: np.random.Generator, *, grey: bool = False) -> torch.Tensor:
    shape = (len(image), 1, *image.shape[2:]) if grey else image.shape
    return image + torch.from_numpy(rng.normal(0, sigma, shape).astype(np.float32))


def _coded(
    image: torch.Tensor, rng: np.random.Generator, done: Strength, least: int, most: int, *, weight: float
) -> torch.Tensor:
    quality = int(rng.integers(least, most + 1))
    done.jpeg = max(done.jpeg, (100.0 - quality) * weight)
    return _jpeg(_rounded(image), quality)


def _rounded(image: torch.Tensor) -> torch.Tensor:
    return (image.clamp(0, 1) * 255).round() / 255


def _jpeg(image: torch.Tensor, quality: int) -> torch.Tensor:
    buffer = io.BytesIO()
    pixels = (image[0].permute(1, 2, 0).numpy() * 255).round().astype(np.uint8)
    Image.fromarray(pixels).save(buffer, "JPEG", quality=quality)
    decoded = np.asarray(Image.open(buffer)).astype(np.float32) / 255
    return torch.from_numpy(decoded).permute(2, 0, 1)[None].contiguous()
