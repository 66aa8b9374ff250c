"""TIFF: tiled, deflated, with all that the input hands on."""

from __future__ import annotations

from pathlib import Path

from storage.images.limits import Format
from storage.images.picture import Picture
from storage.images.tiff import Blocks, check_written, write_tiff

from .writer import Writer


class TiffWriter(Writer):
    suffixes = ("tif", "tiff")
    format = Format(
        driver="GTiff",
        max_side=2**31 - 1,
        has_any_dtype=True,
        has_premultiplied=True,
        has_mask=True,
        leaves_out=("gamma and primaries",),
        disk_per_raw_byte=0.75,
    )

    def write(self, staging: Path, picture: Picture, blocks: Blocks) -> None:
        total = write_tiff(staging, picture, blocks, COMPRESS="DEFLATE", BIGTIFF="IF_SAFER")
        check_written(staging, total)
