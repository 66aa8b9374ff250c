"""IIIF Image API 3.0, level 0: a folder that any web server hands out as it is.

``info.json`` says what there is; ``REGION/SIZE/0/default.jpg`` are the tiles, each asked for by the one address that
the API calls canonical. The whole picture is there as one file of at most twice a tile's side, as ``full/WIDTH,HEIGHT``
and as ``full/max``, to which ``maxWidth`` limits it, and once more as one tile. https://iiif.io/api/image/3.0/
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

from storage.box import Box
from storage.images.gdal import open_raster
from storage.images.limits import Format
from storage.images.picture import Picture
from storage.images.pyramid import level_shapes, windows, write_levels
from storage.images.tiff import Blocks, check_written
from storage.images.tiles import JPEG, METADATA, PNG, WEBP, Encoding, write_metadata, write_tile

from .scratch import write_scratch
from .writer import Writer

TILE = 512
INFO = "info.json"
PLACEHOLDER = "http://localhost:8000"
"""where ``python -m http.server`` in the folder above serves it; the API wants a whole address in info.json"""
_PLAIN = Format(
    driver="IIIF",
    max_side=2**31 - 1,
    has_16_bits=False,
    has_many_bands=False,
    leaves_out=("gamma and primaries",),
    has_alpha=False,
    is_lossy=True,
    is_folder=True,
    marker=INFO,
    disk_per_raw_byte=2.0,
)


class IiifWriter(Writer):
    """Of tiles of JPEG, which level 0 asks for."""

    encoding: Encoding = JPEG
    suffixes: tuple[str, ...] = ("iiif", "jpg.iiif", "jpeg.iiif")
    format = _PLAIN

    def write(self, staging: Path, picture: Picture, blocks: Blocks) -> None:
        scratch, total = write_scratch(staging, picture, blocks)
        check_written(scratch, total)
        staging.mkdir()
        levels = write_levels(scratch, picture, TILE)
        for level, path in enumerate(levels):
            self._write_level(staging, path, level, picture)
        self._write_whole(staging / "full", levels[-2:][0], picture)
        for path in levels:
            path.unlink()
        write_metadata(staging, picture)
        text = json.dumps(info(picture, self.encoding), indent=2)
        (staging / INFO).write_text(f"{text}\n", encoding="utf-8")

    def _write_level(self, staging: Path, path: Path, level: int, picture: Picture) -> None:
        with open_raster(str(path)) as raster:
            for tile in tiles(picture.height, picture.width, level):
                folder = staging / tile.region / tile.size / "0"
                folder.mkdir(parents=True)
                write_tile(folder / f"default.{self.encoding.suffix}", raster, tile.box, picture, self.encoding)

    def _write_whole(self, full: Path, path: Path, picture: Picture) -> None:
        """The largest whole picture, which is asked for by its size and as the largest."""
        with open_raster(str(path)) as raster:
            box = Box(top=0, left=0, height=raster.height, width=raster.width)
            for size in (f"{box.width},{box.height}", "max"):
                folder = full / size / "0"
                folder.mkdir(parents=True, exist_ok=True)
                write_tile(folder / f"default.{self.encoding.suffix}", raster, box, picture, self.encoding)


class IiifPngWriter(IiifWriter):
    """Without loss, for viewers that ask for the format that info.json prefers."""

    encoding = PNG
    suffixes = ("png.iiif",)
    format = replace(_PLAIN, driver="IIIF of PNG", has_alpha=True, is_lossy=False, disk_per_raw_byte=2.5)


class IiifWebpWriter(IiifWriter):
    encoding = WEBP
    suffixes = ("webp.iiif",)
    format = replace(IiifPngWriter.format, driver="IIIF of WebP", has_gray=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """One file of one level."""

    region: str
    """x,y,width,height in pixels of the whole picture, or full"""
    size: str
    """width,height in pixels of its own, or max"""
    box: Box
    """what it shows, in pixels of its level"""


def tiles(height: int, width: int, level: int) -> Iterator[Tile]:
    """All of a level of the picture of ``height`` x ``width``, in the API's canonical words.

    >>> [(tile.region, tile.size) for tile in tiles(700, 400, 0)]
    [('0,0,400,512', '400,512'), ('0,512,400,188', '400,188')]
    >>> [(tile.region, tile.size) for tile in tiles(700, 400, 1)]
    [('full', '200,350')]
    """
    factor = 2**level
    shape = -(-height // factor), -(-width // factor)
    for box in windows(*shape, TILE):
        left, top = box.left * factor, box.top * factor
        across, down = min(TILE * factor, width - left), min(TILE * factor, height - top)
        is_whole = (across, down) == (width, height)
        yield Tile(
            region="full" if is_whole else f"{left},{top},{across},{down}",
            size="max" if is_whole and level == 0 else f"{box.width},{box.height}",
            box=box,
        )


def info(picture: Picture, encoding: Encoding) -> dict[str, Any]:
    """The words of info.json, with a place in the web that is to be put right: see ``PLACEHOLDER``."""
    shapes = level_shapes(picture.height, picture.width, TILE)
    whole = shapes[-2:]
    place = f"{PLACEHOLDER}/{quote(picture.name)}"
    found: dict[str, Any] = {
        "@context": "http://iiif.io/api/image/3/context.json",
        "id": place,
        "type": "ImageService3",
        "protocol": "http://iiif.io/api/image",
        "profile": "level0",
        "width": picture.width,
        "height": picture.height,
        # of a square, since maxHeight is the same if nothing is said of it: no tile is larger
        **({"maxWidth": max(whole[0])} if len(shapes) > 1 else {}),
        "sizes": [{"width": width, "height": height} for height, width in reversed(whole)],
        "tiles": [{"width": TILE, "height": TILE, "scaleFactors": [2**level for level in range(len(shapes))]}],
        "seeAlso": [{"id": f"{place}/{METADATA}", "type": "Dataset", "format": "application/json"}],
    }
    if encoding != JPEG:
        found |= {"preferredFormats": [encoding.suffix], "extraFormats": [encoding.suffix]}
    return found
