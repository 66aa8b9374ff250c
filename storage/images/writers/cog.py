"""Cloud optimized GeoTIFF: with overviews, its directories first, so that a part of it is read in a few requests.

What GDAL makes it from must be finished, so the blocks go through a scratch file. The smaller pictures are averages of
what is there alone: nodata, what the mask hides and what alpha hides have no part in them.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import rasterio
import rasterio.shutil
from rasterio.enums import Resampling
from rasterio.session import DummySession

from storage.images.gdal import open_raster
from storage.images.picture import RGB, Picture
from storage.images.tiff import Blocks, check_written, tiff_settings, tile_side

from .scratch import write_scratch
from .tiff import TiffWriter
from .writer import Writer

_OPTIONS = {"COMPRESS": "DEFLATE", "BIGTIFF": "IF_SAFER"}


class CogWriter(Writer):
    suffixes = ("cog.tif", "cog.tiff")
    # a scratch file, the result with a third more for its overviews, and these once more while they are made
    format = replace(TiffWriter.format, driver="COG", disk_per_raw_byte=2.0)

    def write(self, staging: Path, picture: Picture, blocks: Blocks) -> None:
        scratch, total = write_scratch(staging, picture, blocks, flat=True)
        with tiff_settings(picture), rasterio.Env(DummySession(), CPL_TMPDIR=str(staging.parent)):
            # GDAL's driver takes three or four bands of bytes for red, green, blue and alpha, whatever they are
            if picture.num_bands >= len(RGB) and not picture.is_rgb:
                _copy_as_it_is(scratch, staging, picture)
            else:
                _copy(scratch, staging, picture)
        scratch.unlink()
        check_written(staging, total)


def _copy(scratch: Path, staging: Path, picture: Picture) -> None:
    rasterio.shutil.copy(
        str(scratch),
        str(staging),
        driver="COG",
        PREDICTOR="YES",
        BLOCKSIZE=tile_side(picture),
        OVERVIEW_RESAMPLING="AVERAGE",
        **_OPTIONS,
    )


def _copy_as_it_is(scratch: Path, staging: Path, picture: Picture) -> None:
    """By the plain driver, which puts directories first as well where the overviews are there before."""
    side = tile_side(picture)
    with rasterio.Env(DummySession(), GDAL_TIFF_OVR_BLOCKSIZE=side):
        with open_raster(str(scratch), "r+") as raster:
            raster.build_overviews(overview_factors(picture.height, picture.width, side), Resampling.average)
        rasterio.shutil.copy(
            str(scratch),
            str(staging),
            driver="GTiff",
            PREDICTOR=3 if np.dtype(picture.dtype).kind == "f" else 2,
            TILED="YES",
            BLOCKXSIZE=side,
            BLOCKYSIZE=side,
            COPY_SRC_OVERVIEWS="YES",
            PHOTOMETRIC="MINISBLACK",
            **_OPTIONS,
        )


def overview_factors(height: int, width: int, side: int) -> list[int]:
    """How many pixels along an axis one of each smaller picture stands for, down to one that fits in a tile.

    >>> overview_factors(1030, 1100, 512), overview_factors(512, 20, 512)
    ([2, 4], [])
    """
    factors = [2]
    while max(height, width) > side * factors[-1] // 2:
        factors.append(factors[-1] * 2)
    return factors[:-1]
