"""DeepZoom: ``OUT.dzi``, which says what there is, and beside it ``OUT_files`` with a folder of tiles a level.

Level n is the result shrunk until its longer side has 2^n pixels at most, from the whole result down to one pixel.
Tiles overlap by a pixel on each side where another is, as viewers that scale them expect. Its overview:
https://learn.microsoft.com/previous-versions/windows/silverlight/dotnet-windows-silverlight/cc645077(v=vs.95)
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from storage.box import Box
from storage.images.gdal import open_raster
from storage.images.limits import Format
from storage.images.picture import Picture
from storage.images.pyramid import write_levels
from storage.images.tiff import Blocks, check_written
from storage.images.tiles import JPEG, PNG, WEBP, Encoding, write_metadata, write_tile

from .scratch import write_scratch
from .writer import Writer

TILE, OVERLAP = 254, 1
"""pixels a side of a tile, and how many more it has on each side where another one is"""
FILES = "_files"
_PLAIN = Format(
    driver="DeepZoom",
    max_side=2**31 - 1,
    has_16_bits=False,
    has_many_bands=False,
    leaves_out=("gamma and primaries",),
    beside=FILES,
    # a scratch file, its smaller levels, and the tiles
    disk_per_raw_byte=2.5,
)


class DeepZoomWriter(Writer):
    """Of tiles of one kind; those of PNG if nobody says otherwise, since nothing is lost."""

    encoding: Encoding = PNG
    suffixes: tuple[str, ...] = ("dzi", "png.dzi")
    format = _PLAIN

    def write(self, staging: Path, picture: Picture, blocks: Blocks) -> None:
        scratch, total = write_scratch(staging, picture, blocks)
        check_written(scratch, total)
        folder = staging.with_name(f"{staging.stem}{FILES}")
        folder.mkdir()
        levels = write_levels(scratch, picture, 1)
        for path, level in zip(levels, reversed(range(len(levels))), strict=True):
            self._write_level(folder / str(level), path, picture)
            path.unlink()
        write_metadata(folder, picture)
        staging.write_text(_descriptor(picture, self.encoding), encoding="utf-8")

    def _write_level(self, folder: Path, path: Path, picture: Picture) -> None:
        folder.mkdir()
        with open_raster(str(path)) as raster:
            for row, col, box in tiles(raster.height, raster.width):
                write_tile(folder / f"{col}_{row}.{self.encoding.suffix}", raster, box, picture, self.encoding)


class DeepZoomJpegWriter(DeepZoomWriter):
    encoding = JPEG
    suffixes = ("jpg.dzi", "jpeg.dzi")
    format = replace(_PLAIN, driver="DeepZoom of JPEG", has_alpha=False, is_lossy=True)


class DeepZoomWebpWriter(DeepZoomWriter):
    encoding = WEBP
    suffixes = ("webp.dzi",)
    format = replace(_PLAIN, driver="DeepZoom of WebP", has_gray=False)


def tiles(height: int, width: int) -> Iterator[tuple[int, int, Box]]:
    """Row, column and place of every tile of a level.

    >>> [(row, col, box.left, box.width) for row, col, box in tiles(9, 300)]
    [(0, 0, 0, 255), (0, 1, 253, 47)]
    """
    canvas = Box(top=0, left=0, height=height, width=width)
    for row in range(-(-height // TILE)):
        for col in range(-(-width // TILE)):
            box = Box(top=row * TILE, left=col * TILE, height=TILE, width=TILE).grown(OVERLAP, canvas)
            yield row, col, box


def _descriptor(picture: Picture, encoding: Encoding) -> str:
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<Image xmlns="http://schemas.microsoft.com/deepzoom/2008" Format="{encoding.suffix}" '
        f'Overlap="{OVERLAP}" TileSize="{TILE}">\n'
        f'  <Size Height="{picture.height}" Width="{picture.width}"/>\n'
        "</Image>\n"
    )
