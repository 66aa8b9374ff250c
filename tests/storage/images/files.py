"""Image files made for the tests."""

from __future__ import annotations

import functools
import io
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from PIL import Image, ImageCms
from rasterio.errors import NotGeoreferencedWarning

from storage.box import Box
from storage.images import ImageInfo
from storage.images.georeference import GeoReference


def picture(height: int, width: int, bands: int = 3, dtype: str = "uint8", seed: int = 0) -> np.ndarray:
    """Smooth colours with a little noise, ``[bands, height, width]``; every pixel differs from its neighbours."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    waves = [np.sin(x / (9 + 4 * band)) + np.cos(y / (7 + 5 * band)) for band in range(bands)]
    unit = (np.stack(waves) + 2) / 4 * 0.95 + rng.random((bands, height, width)) * 0.05
    return (unit * np.iinfo(dtype).max).astype(dtype)


def write_raster(path: Path, pixels: np.ndarray, *, names: tuple[str | None, ...] = (), **profile: Any) -> Path:
    """Write ``[bands, y, x]`` with rasterio: any dtype, any driver; ``names`` describe the bands."""
    bands, height, width = pixels.shape
    settings = {"driver": "GTiff", "count": bands, "height": height, "width": width, "dtype": pixels.dtype, **profile}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(path, "w", **settings) as raster:
            raster.write(pixels)
            if names:
                raster.descriptions = names
    return path


def pillow(pixels: np.ndarray) -> Image.Image:
    """A Pillow image of uint8 ``[bands, y, x]``."""
    return Image.fromarray(np.ascontiguousarray(pixels[0] if len(pixels) == 1 else pixels.transpose(1, 2, 0)))


def decoded(path: Path) -> np.ndarray:
    """What Pillow sees in an 8-bit file, ``[bands, y, x]``."""
    with Image.open(path) as image:
        pixels = np.asarray(image)
    return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)


@functools.cache
def srgb_profile() -> bytes:
    """The same bytes at every call: a profile holds the second in which it was made."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
    return io.BytesIO(profile.tobytes()).getvalue()


def blocks(pixels: np.ndarray, height: int, width: int | None = None) -> list[tuple[Box, np.ndarray]]:
    """Cut ``[bands, y, x]`` into blocks in row order."""
    _, rows, cols = pixels.shape
    width = width or cols
    boxes = [
        Box(top=top, left=left, height=min(height, rows - top), width=min(width, cols - left))
        for top in range(0, rows, height)
        for left in range(0, cols, width)
    ]
    return [(box, pixels[:, *box.slices]) for box in boxes]


def info_of(pixels: np.ndarray, **facts: Any) -> ImageInfo:
    """The info of an input image with these pixels and nothing else known of it."""
    bands, height, width = pixels.shape
    plain: dict[str, Any] = {
        "path": "input",
        "driver": "PNG",
        "height": height,
        "width": width,
        "num_bands": bands,
        "dtype": str(pixels.dtype),
        "has_alpha": False,
        "geo": GeoReference(),
        "nodata": None,
        "descriptions": (None,) * bands,
        "icc": None,
        "dpi": None,
    }
    return ImageInfo(**{**plain, **facts})
