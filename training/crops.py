"""Training crops: photographs and aerials from a folder, augmented, and degraded to low resolution.

Arrays are [y, x, 3] uint8 on disk and [b, 3, y, x] float32 in [0, 1] on the way out.
"""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import rasterio
import torch
from PIL import Image

SCALE = 4


def load_images(root: Path) -> list[np.ndarray]:
    """Every picture below ``root``: aerials halved (their JPEG artefacts go), photographs at two sizes, bands 1-3."""
    images = []
    for path in sorted(root.rglob("*")):
        if path.suffix.lower() in (".jpg", ".jpeg", ".png"):
            picture = Image.open(path).convert("RGB")
            half = picture.resize((picture.width // 2, picture.height // 2), Image.Resampling.BOX)
            if not path.parent.name.startswith("aerial"):
                images.append(np.asarray(picture))
            images.append(np.asarray(half))
        elif path.suffix.lower() in (".tif", ".tiff"):
            with rasterio.open(path) as raster:
                images.append(np.ascontiguousarray(raster.read([1, 2, 3]).transpose(1, 2, 0)))
    if not images:
        raise FileNotFoundError(f"no .jpg, .png or .tif below {root}: give --data a folder of training pictures")
    return images


class Crops:
    """Draws random crops; large pictures more often, but less than by their area."""

    def __init__(self, images: list[np.ndarray], rng: np.random.Generator) -> None:
        self.images, self.rng = images, rng
        weights = np.sqrt([image.shape[0] * image.shape[1] for image in images])
        self.weights = weights / weights.sum()

    def draw(self, count: int, side: int) -> torch.Tensor:
        """``[count, 3, side, side]`` in [0, 1]: turned, mirrored, and three in ten with another gamma."""
        crops = [self._one(index, side) for index in self.rng.choice(len(self.images), count, p=self.weights)]
        return torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2).contiguous()

    def _one(self, index: int, side: int) -> np.ndarray:
        image, rng = self.images[index], self.rng
        top = rng.integers(0, image.shape[0] - side + 1)
        left = rng.integers(0, image.shape[1] - side + 1)
        crop = np.rot90(image[top : top + side, left : left + side], rng.integers(4))
        if rng.random() < 0.5:
            crop = crop[:, ::-1]
        crop = crop.astype(np.float32) / 255
        if rng.random() < 0.3:
            crop = crop ** float(np.exp(rng.uniform(-0.7, 0.9)))
        return np.ascontiguousarray(crop)


def shrink(high: torch.Tensor) -> torch.Tensor:
    """Antialiased bicubic by 4, clipped: ``[b, 3, y / 4, x / 4]``."""
    low = torch.nn.functional.interpolate(
        high, scale_factor=1 / SCALE, mode="bicubic", antialias=True, align_corners=False
    )
    return low.clamp(0, 1)


def degrade(high: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """Low-resolution versions, rounded to 8 bits; three in ten also blurred, noisy or JPEG-coded, mildly."""
    lows = []
    for one in high:
        spoiled = rng.random() < 0.3
        if spoiled and rng.random() < 0.5:
            one = _blur(one, float(rng.uniform(0.4, 2.0)))
        low = shrink(one[None])[0]
        if spoiled and rng.random() < 0.5:
            low = low + torch.from_numpy(rng.normal(0, rng.uniform(0.002, 0.02), low.shape).astype(np.float32))
        low = (low.clamp(0, 1) * 255).round() / 255
        if spoiled and rng.random() < 0.4:
            low = _jpeg(low, int(rng.integers(70, 96)))
        lows.append(low)
    return torch.stack(lows)


def enlarge(low: torch.Tensor) -> torch.Tensor:
    """Bicubic by 4, clipped: what the pipeline encodes to the coarse latent."""
    return torch.nn.functional.interpolate(low, scale_factor=SCALE, mode="bicubic", align_corners=False).clamp(0, 1)


def _blur(image: torch.Tensor, sigma: float) -> torch.Tensor:
    offsets = torch.arange(-6, 7, dtype=torch.float32)
    kernel = torch.exp(-0.5 * (offsets / sigma) ** 2)
    kernel = (kernel / kernel.sum()).view(1, 1, 1, -1).expand(3, 1, 1, -1)
    padded = torch.nn.functional.pad(image[None], (6, 6, 6, 6), mode="reflect")
    rows = torch.nn.functional.conv2d(padded, kernel, groups=3)
    return torch.nn.functional.conv2d(rows, kernel.transpose(2, 3), groups=3)[0]


def _jpeg(image: torch.Tensor, quality: int) -> torch.Tensor:
    buffer = io.BytesIO()
    pixels = (image.permute(1, 2, 0).numpy() * 255).round().astype(np.uint8)
    Image.fromarray(pixels).save(buffer, "JPEG", quality=quality)
    decoded = np.asarray(Image.open(buffer)).astype(np.float32) / 255
    return torch.from_numpy(decoded).permute(2, 0, 1)
