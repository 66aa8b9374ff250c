"""The way of formats that GDAL cannot write block by block: through a scratch file, with a sidecar beside it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import chain
from pathlib import Path

import numpy as np
import rasterio.shutil

from storage.box import Box
from storage.images.gdal import GDAL_ERRORS, open_raster
from storage.images.kept import KeptRows
from storage.images.picture import Picture
from storage.images.target import SIDECAR
from storage.images.tiff import SUM_MODULUS, Blocks, read_sums, write_more, write_tiff

Block = tuple[Box, np.ndarray]


def write_scratch(staging: Path, picture: Picture, blocks: Blocks, *, flat: bool = False) -> tuple[Path, int]:
    """A TIFF of the blocks, and the checksum of all values; ``flat`` as write_tiff has it.

    It lies beside ``staging``, or where the picture's rows are kept. Tiles of nothing but nodata take no room in it.
    """
    options = {"COMPRESS": "ZSTD", "ZSTD_LEVEL": 1, "BIGTIFF": "YES", "SPARSE_OK": "YES"}
    kept = picture.kept
    if kept is None:
        scratch = staging.with_name(f"{staging.name}.scratch")
        return scratch, write_tiff(scratch, picture, blocks, flat=flat, **options)
    kept.keep(_tell(kept))
    if not kept.portions:
        write_tiff(kept.raster, picture, (), flat=flat, **options)
    remaining = iter(blocks)
    for first in remaining:
        portion = _Portion(first, remaining, kept.bottom, kept.portion)
        total = write_more(kept.raster, picture, portion)
        kept.add(portion.bottom, total)
    return kept.raster, sum(total for _, _, total in kept.spans()) % SUM_MODULUS


class _Portion:
    """Some of the blocks that remain, the first included."""

    def __init__(self, first: Block, remaining: Iterator[Block], top: int, least: int) -> None:
        self._first, self._remaining, self._end = first, remaining, top + least
        self.bottom = top

    def __iter__(self) -> Iterator[Block]:
        for box, pixels in chain([self._first], self._remaining):
            if box.left or box.top != self.bottom:
                raise ValueError(f"rows that are kept come whole, one after another: {box} after row {self.bottom}")
            yield box, pixels
            self.bottom = box.bottom
            if self.bottom >= self._end:
                return


def _tell(kept: KeptRows) -> int:
    """Tell of the rows that are there as they were written; returns how many portions they are."""
    told = 0
    for top, bottom, total in kept.spans():
        if not _reads_as(kept, top, bottom, total):
            break
        with open_raster(str(kept.raster)) as raster:
            for box, pixels, _ in read_sums(raster, top, bottom):
                kept.tell(box, pixels)
        told += 1
    return told


def _reads_as(kept: KeptRows, top: int, bottom: int, total: int) -> bool:
    try:
        with open_raster(str(kept.raster)) as raster:
            return sum(part for _, _, part in read_sums(raster, top, bottom)) % SUM_MODULUS == total
    except GDAL_ERRORS:
        return False


def write_sidecar(staging: Path, picture: Picture) -> None:
    """Keep what PNG, JPEG and WebP cannot hold in the ``.aux.xml`` beside them that GDAL reads."""
    sidecar = staging.with_name(f"{staging.name}{SIDECAR}")
    sidecar.unlink(missing_ok=True)
    info = picture.info
    if info.geo.is_empty and not any(info.descriptions) and not info.metadata.is_sidecar_worth:
        return
    speck = staging.with_name(f"{staging.name}.speck.tif")
    small = replace(picture, height=1, width=1, alpha=None, mask=None, icc=None)
    pixel = np.zeros((picture.num_colours, 1, 1), picture.dtype)
    write_tiff(speck, small, [(small.canvas, pixel)], flat=True)
    carrier = staging.with_name(f"{staging.name}.speck")
    # WebP's would not take gray; a nodata value is PNG's own, and of the sidecar elsewhere
    rasterio.shutil.copy(str(speck), str(carrier), driver="PNG" if picture.wanted.driver == "PNG" else "JPEG")
    carrier.with_name(f"{carrier.name}{SIDECAR}").replace(sidecar)
