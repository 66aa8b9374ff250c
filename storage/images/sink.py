"""Writing a result, block by block, so that its final name appears only with a finished file behind it."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import chain
from pathlib import Path

import numpy as np
import rasterio.shutil

from storage.errors import CorruptRegionError, ImageError, StorageFullError

from .density import stamp_png
from .formats import check_fits, format_of
from .gdal import CACHE_MB, GDAL_ERRORS, gdal, reason
from .info import ImageInfo
from .jpeg import STRIP_ROWS, write_jpeg
from .opacity import ReadOpacity
from .output import check_output
from .picture import Picture, usable_profile
from .staging import no_room, staged
from .target import real_target
from .tiff import TILE, Blocks, read_back, read_strips, write_tiff

_JPEG_QUALITY = 95
_PNG_LEVEL = 4
_ROWS_OF_TILES = 1.25
"""cache for blocks that cut tiles in two: the tile comes back before it has left the cache"""


def write_image(
    path: str | os.PathLike[str],
    info: ImageInfo,
    scale: int,
    blocks: Blocks,
    *,
    height: int,
    width: int,
    overwrite: bool = False,
    alpha: ReadOpacity | None = None,
) -> None:
    """Write ``blocks`` of ``[bands, box.height, box.width]``, top to bottom, as the image ``path``.

    ``height`` and ``width`` are the result's; ``info`` is the input's, whose georeference, nodata, descriptions, colour
    profile and resolution are carried over ``scale`` times as fine; ``alpha`` gives the input's opacity, such as
    ``source.alpha``. Nothing is left behind on failure. Raises as :func:`check_output`, StorageFullError where the room
    runs out, and ValueError where the blocks do not cover the image or are not in row order.
    """
    inputs = [info.path, *info.files] if info.path else []
    check_output(path, overwrite=overwrite, inputs=inputs)
    target, wanted = real_target(path), format_of(Path(path))
    pixels, blocks = _peek(blocks)
    check_fits(Path(path), height=height, width=width, dtype=str(pixels.dtype))
    if alpha is not None and not wanted.has_alpha:
        alpha = None  # said by picture.losses before the run
    picture = Picture(
        info=info,
        scale=scale,
        height=height,
        width=width,
        num_colours=len(pixels),
        dtype=str(pixels.dtype),
        alpha=alpha,
        icc=usable_profile(info, len(pixels)),
        wanted=wanted,
    )
    cache_mb = max(CACHE_MB, math.ceil(_ROWS_OF_TILES * _row_of_tiles_mb(picture)))
    with staged(target, spare=inputs) as staging, _translating(target, staging), gdal(cache_mb=cache_mb):
        _write(staging, picture, blocks)


def _write(staging: Path, picture: Picture, blocks: Blocks) -> None:
    if picture.wanted.driver == "GTiff":
        total = write_tiff(staging, picture, blocks, COMPRESS="DEFLATE", BIGTIFF="IF_SAFER")
        _check_written(staging, total)
        return
    scratch = staging.with_name(f"{staging.name}.scratch")
    total = write_tiff(scratch, picture, blocks, COMPRESS="ZSTD", ZSTD_LEVEL=1, BIGTIFF="YES")
    if picture.wanted.is_lossy:
        _check_written(scratch, total)
        strips = read_strips(scratch, STRIP_ROWS)
        write_jpeg(staging, strips, height=picture.height, quality=_JPEG_QUALITY, icc=picture.icc, dpi=picture.dpi)
        read_back(staging)
    else:
        # The profile comes with the scratch file: as an option, rasterio's copy would turn its base64 to upper case.
        rasterio.shutil.copy(str(scratch), str(staging), driver="PNG", ZLEVEL=_PNG_LEVEL)
        if picture.dpi:
            stamp_png(staging, picture.dpi)
        _check_written(staging, total)
    _write_sidecar(staging, picture)


def _check_written(path: Path, total: int) -> None:
    if read_back(path) != total:
        raise OSError("what was written reads back with other values; the disk is full or damaged")


def _write_sidecar(staging: Path, picture: Picture) -> None:
    """Keep what PNG and JPEG cannot hold in the ``.aux.xml`` beside them that GDAL reads."""
    sidecar = staging.with_name(f"{staging.name}.aux.xml")
    sidecar.unlink(missing_ok=True)
    if picture.info.geo.is_empty and not any(picture.info.descriptions):
        return
    speck = staging.with_name(f"{staging.name}.speck.tif")
    small = replace(picture, height=1, width=1, alpha=None)
    pixel = np.zeros((picture.num_colours, 1, 1), picture.dtype)
    write_tiff(speck, small, [(small.canvas, pixel)])
    carrier = staging.with_name(f"{staging.name}.speck")
    rasterio.shutil.copy(str(speck), str(carrier), driver=picture.wanted.driver)
    carrier.with_name(f"{carrier.name}.aux.xml").replace(sidecar)


def _row_of_tiles_mb(picture: Picture) -> float:
    return picture.width * TILE * picture.num_bands * np.dtype(picture.dtype).itemsize / 2**20


def _peek(blocks: Blocks) -> tuple[np.ndarray, Blocks]:
    remaining = iter(blocks)
    first = next(remaining, None)
    if first is None:
        raise ValueError("there are no blocks to write")
    return first[1], chain([first], remaining)


@contextmanager
def _translating(target: Path, staging: Path) -> Iterator[None]:
    """Turn what GDAL raises while writing into one clear error; what reading the input raises passes."""
    try:
        yield
    except (ImageError, StorageFullError, CorruptRegionError):
        raise
    except GDAL_ERRORS as error:
        full = no_room(staging)
        if full is None:
            raise OSError(f"cannot write {target}: {reason(error)}") from error
        mend = "make room, then start the same command again: it resumes"
        raise StorageFullError(
            full.errno, f"no room to write the result ({full.strerror}); {mend}", str(target)
        ) from error
