"""Writing the tiled TIFF that every result goes through, and reading a finished file back to be sure of it.

GDAL writes late, and closing a file on a full disk reports nothing. So a result is read back before it gets its name.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from rasterio.enums import ColorInterp
from rasterio.windows import Window

from storage.box import Box

from .gdal import open_raster
from .georeference import write_georeference
from .picture import Picture

Blocks = Iterable[tuple[Box, np.ndarray]]
TILE = 512
"""pixels a side of a TIFF tile"""
_ROWS_READ = 128


def write_tiff(path: Path, picture: Picture, blocks: Blocks, **options: Any) -> int:
    """Write blocks, opacity included, as a tiled TIFF ``path``; returns the sum of all values.

    ``options`` are GDAL's.
    """
    profile = {
        "driver": "GTiff",
        "height": picture.height,
        "width": picture.width,
        "count": picture.num_bands,
        "dtype": picture.dtype,
        "tiled": True,
        "blockxsize": TILE,
        "blockysize": TILE,
        "predictor": 2,
        "photometric": "RGB" if picture.num_bands >= 3 else "MINISBLACK",
        **({"ALPHA": "NON-PREMULTIPLIED"} if picture.alpha else {}),
        **({"SOURCE_ICC_PROFILE": base64.b64encode(picture.icc).decode()} if picture.icc else {}),
        **options,
    }
    with open_raster(str(path), "w", **profile) as raster:
        total = 0
        _write_metadata(raster, picture)
        for box, pixels in blocks:
            raster.write(pixels, window=Window(box.left, box.top, box.width, box.height))
            total += _total(pixels)
    return total


def read_strips(path: Path, height: int) -> Iterator[np.ndarray]:
    """The rows of a raster file from the top, ``[bands, height or less at the end, width]``."""
    with open_raster(str(path)) as raster:
        for top in range(0, raster.height, height):
            yield raster.read(window=Window(0, top, raster.width, min(height, raster.height - top)))


def read_back(path: Path) -> int:
    """The sum of all values of a raster file; raises what GDAL raises where some cannot be read."""
    return sum(_total(strip) for strip in read_strips(path, _ROWS_READ))


def check_written(path: Path, total: int) -> None:
    """Raise OSError where the values of a finished file have another sum."""
    if read_back(path) != total:
        raise OSError("what was written reads back with other values; the disk is full or damaged")


def _write_metadata(raster: Any, picture: Picture) -> None:
    info = picture.info
    write_georeference(raster, info.geo.scaled(picture.scale))
    if picture.nodata is not None:
        raster.nodata = picture.nodata
    for number, description in enumerate(info.descriptions, 1):
        if description and number <= picture.num_colours:
            raster.set_band_description(number, description)
    if picture.alpha:
        raster.colorinterp = (*raster.colorinterp[:-1], ColorInterp.alpha)
    if picture.dpi:
        x, y = picture.dpi
        raster.update_tags(TIFFTAG_XRESOLUTION=x, TIFFTAG_YRESOLUTION=y, TIFFTAG_RESOLUTIONUNIT=2)


def _total(pixels: np.ndarray) -> int:
    return int(pixels.sum(dtype=np.uint64))
