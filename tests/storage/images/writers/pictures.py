"""Pictures for one writer, without the way that results take to it."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from rasterio.errors import NotGeoreferencedWarning

from storage.box import Box
from storage.images.blocks import complete
from storage.images.gdal import gdal
from storage.images.picture import Picture
from storage.images.writers.writer import Writer
from tests.storage.images.files import blocks, info_of


def picture_of(
    writer: Writer,
    pixels: np.ndarray,
    *,
    alpha: int | None = None,
    scale: int = 1,
    icc: bytes | None = None,
    **facts: Any,
) -> Picture:
    """``pixels`` [bands, y, x] in a writer's format; ``alpha``: opacity everywhere."""
    _, height, width = pixels.shape

    def opacity(box: Box) -> np.ndarray:
        return np.full(box.shape, alpha, dtype=np.uint8)

    return Picture(
        info=info_of(pixels, **facts),
        scale=scale,
        height=height,
        width=width,
        num_colours=len(pixels),
        dtype=str(pixels.dtype),
        alpha=None if alpha is None else opacity,
        icc=icc,
        wanted=writer.format,
    )


def write(writer: Writer, path: Path, pixels: np.ndarray, **given: Any) -> None:
    """Into a folder, made where it is not there, as ``write_image`` has it write."""
    path.parent.mkdir(parents=True, exist_ok=True)
    made = picture_of(writer, pixels, **given)
    with gdal():
        writer.write(path, made, complete(iter(blocks(pixels, 8)), made))


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """A file as rasterio reads it, which warns of pictures that lie nowhere."""
    with gdal(), warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(path) as raster:
            yield raster
