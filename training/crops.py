"""Training crops: photographs, aerials, satellite scenes and drawn pages, augmented, with words for what they show.

Arrays are [y, x, 3 or 4] uint8 on disk (the fourth band is near infrared) and [b, 3, y, x] float32 in [0, 1] on the
way out. Words are given only where something says so: the folder, the near infrared, or the pixels themselves.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
import torch
from pages import draw_page
from PIL import Image

DRAWN_SHARE = 0.06
"""share of the crops that are drawn: pages of text, and even or slowly changing fields"""
EVEN_SHARE = 0.3
"""share of these that are even"""
TEXTURE = (0.012, 0.045)
"""mean absolute difference of neighbouring pixels: below the first a crop is smooth, above the second detailed"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """One training picture."""

    pixels: np.ndarray
    """[y, x, 3] uint8, or [y, x, 4] with near infrared"""
    kind: str
    """aerial, satellite or photograph"""


def load_pictures(root: Path) -> list[Picture]:
    """Every picture below ``root``: aerials halved (their JPEG artefacts go), photographs at two sizes, all bands."""
    pictures = []
    for path in sorted(root.rglob("*")):
        if path.suffix.lower() in (".jpg", ".jpeg", ".png"):
            picture = Image.open(path).convert("RGB")
            half = picture.resize((picture.width // 2, picture.height // 2), Image.Resampling.BOX)
            aerial = path.parent.name.startswith("aerial")
            if not aerial:
                pictures.append(Picture(pixels=np.asarray(picture), kind="photograph"))
            pictures.append(Picture(pixels=np.asarray(half), kind="aerial" if aerial else "photograph"))
        elif path.suffix.lower() in (".tif", ".tiff"):
            with rasterio.open(path) as raster:
                bands = raster.read(list(range(1, min(raster.count, 4) + 1)))
            pictures.append(Picture(pixels=np.ascontiguousarray(bands.transpose(1, 2, 0)), kind="satellite"))
    if not pictures:
        raise FileNotFoundError(f"no .jpg, .png or .tif below {root}: give --data a folder of training pictures")
    return pictures


class Crops:
    """Draws random crops; large pictures more often, but less than by their area."""

    def __init__(self, pictures: list[Picture], rng: np.random.Generator, drawn_share: float = DRAWN_SHARE) -> None:
        self.pictures, self.rng, self.drawn_share = pictures, rng, drawn_share
        weights = np.sqrt([picture.pixels.shape[0] * picture.pixels.shape[1] for picture in pictures])
        self.weights = weights / weights.sum()

    def draw(self, count: int, side: int) -> torch.Tensor:
        """``[count, 3, side, side]`` in [0, 1]: turned, mirrored, some with another gamma, contrast or brightness."""
        return self.draw_described(count, side)[0]

    def draw_described(self, count: int, side: int) -> tuple[torch.Tensor, list[list[str]]]:
        """Crops as ``draw`` gives them, and the words that hold for each; the first word is the kind."""
        crops, words = [], []
        fits = np.array([min(picture.pixels.shape[:2]) >= side for picture in self.pictures])
        if not fits.any():
            raise ValueError(
                f"no picture has {side} pixels a side: give --data larger pictures, or train on smaller crops"
            )
        weights = self.weights * fits
        for index in self.rng.choice(len(self.pictures), count, p=weights / weights.sum()):
            crop, said = self._drawn(side) if self.rng.random() < self.drawn_share else self._one(index, side)
            crops.append(crop)
            words.append(said)
        return torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2).contiguous(), words

    def _one(self, index: int, side: int) -> tuple[np.ndarray, list[str]]:
        picture, rng = self.pictures[index], self.rng
        top = rng.integers(0, picture.pixels.shape[0] - side + 1)
        left = rng.integers(0, picture.pixels.shape[1] - side + 1)
        crop = np.rot90(picture.pixels[top : top + side, left : left + side], rng.integers(4))
        if rng.random() < 0.5:
            crop = crop[:, ::-1]
        crop = crop.astype(np.float32) / 255
        words = [picture.kind, *_cover(crop)]
        crop = crop[..., :3]
        if rng.random() < 0.3:
            crop = crop ** float(np.exp(rng.uniform(-0.7, 0.9)))
        if rng.random() < 0.3:
            contrast, middle = float(rng.uniform(0.4, 1.0)), float(rng.uniform(0.2, 0.8))
            crop = (crop - 0.5) * contrast + 0.5 + (middle - 0.5) * (1 - contrast)
        crop = np.ascontiguousarray(crop, dtype=np.float32)
        return crop, words + _look(crop)

    def _drawn(self, side: int) -> tuple[np.ndarray, list[str]]:
        rng = self.rng
        if rng.random() < EVEN_SHARE:
            field = _even_field(rng, side)
            return field, ["drawn", *_look(field)]
        crop = draw_page(rng, side)
        return crop, ["drawn", "text", *_look(crop)]


def _even_field(rng: np.random.Generator, side: int) -> np.ndarray:
    """A slow slope between two near colours: sky, paper or calm water have as little texture."""
    first = rng.uniform(0, 1, 3)
    second = np.clip(first + rng.uniform(-0.3, 0.3) * rng.random(), 0, 1)
    angle = rng.uniform(0, 2 * np.pi)
    y, x = np.mgrid[:side, :side] / side - 0.5
    slope = np.clip(0.5 + np.cos(angle) * x + np.sin(angle) * y, 0, 1)[..., None]
    return (first * (1 - slope) + second * slope).astype(np.float32)


def _cover(crop: np.ndarray) -> list[str]:
    """Vegetation and water: by near infrared (NDVI, NDWI) where there is one, vegetation else by excess green."""
    red, green, blue = crop[..., 0], crop[..., 1], crop[..., 2]
    if crop.shape[2] == 4:
        infrared = crop[..., 3]
        vegetation = (infrared - red) / (infrared + red + 1e-3) > 0.15
        water = (green - infrared) / (green + infrared + 1e-3) > 0.15
        return [word for word, mask in (("vegetation", vegetation), ("water", water)) if mask.mean() > 0.4]
    excess = (2 * green - red - blue) / (red + green + blue + 1e-3)
    return ["vegetation"] if (excess > 0.06).mean() > 0.4 else []


def _look(crop: np.ndarray) -> list[str]:
    """Texture, brightness and colour, measured."""
    grey = crop.mean(2)
    change = (np.abs(np.diff(grey, axis=0)).mean() + np.abs(np.diff(grey, axis=1)).mean()) / 2
    words = ["smooth"] if change < TEXTURE[0] else ["detailed"] if change > TEXTURE[1] else []
    if not 0.25 < grey.mean() < 0.7:
        words.append("dark" if grey.mean() < 0.5 else "bright")
    mean = crop.mean((0, 1))
    order = np.argsort(mean)
    if mean[order[2]] - mean[order[0]] < 0.04:
        words.append("grey")
    elif order[2] == 2:
        words.append("blue")
    elif order[2] == 1:
        words.append("green")
    else:
        words.append("red" if mean[0] - mean[1] > 0.12 else "brown")
    return words
