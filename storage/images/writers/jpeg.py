"""JPEG, strip by strip from a scratch file."""

from __future__ import annotations

from pathlib import Path

from storage.images.jpeg import STRIP_ROWS, write_jpeg
from storage.images.limits import Format
from storage.images.picture import Picture
from storage.images.tiff import Blocks, check_written, read_back, read_strips

from .scratch import write_scratch, write_sidecar
from .writer import Writer

_QUALITY = 95


class JpegWriter(Writer):
    suffixes = ("jpg", "jpeg")
    format = Format(
        driver="JPEG",
        max_side=65500,
        has_16_bits=False,
        has_alpha=False,
        is_lossy=True,
        disk_per_raw_byte=1.0,
    )

    def write(self, staging: Path, picture: Picture, blocks: Blocks) -> None:
        scratch, total = write_scratch(staging, picture, blocks)
        check_written(scratch, total)
        strips = read_strips(scratch, STRIP_ROWS)
        write_jpeg(staging, strips, height=picture.height, quality=_QUALITY, icc=picture.icc, dpi=picture.dpi)
        read_back(staging)
        write_sidecar(staging, picture)
