"""OME-Zarr 0.5: a folder of Zarr arrays (version 3, sharded), each level half as large as the one before.

The blocks go through a scratch file, since a shard must be written whole, and once.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from storage.images.gdal import open_raster
from storage.images.limits import Format
from storage.images.ome import AXES, array_attributes, attributes, window
from storage.images.picture import Picture
from storage.images.pyramid import window_of, windows, write_levels
from storage.images.tiff import SUM_MODULUS, Blocks, value_sum

from .scratch import write_scratch
from .writer import Writer

CHUNK = 512
"""pixels a side of what a reader fetches, of one band"""
_SHARDS = (2048, 1024, 512, 256, 128)
_SHARD_BYTES = 32 << 20
"""of all bands, in memory as one"""
_LEVEL = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """How one level is cut."""

    shard: tuple[int, int, int]
    """bands, height and width of a file"""
    chunk: tuple[int, int, int]

    @classmethod
    def of(cls, num_bands: int, height: int, width: int, dtype: str) -> Shape:
        """Shards of all bands, as large as fit in memory, and no larger than the level.

        >>> Shape.of(3, 9000, 9000, "uint8")
        Shape(shard=(3, 2048, 2048), chunk=(1, 512, 512))
        >>> Shape.of(3, 700, 30, "uint8").shard, Shape.of(500, 9000, 9000, "float32").shard
        ((3, 1024, 512), (500, 128, 128))
        """
        pixel = num_bands * np.dtype(dtype).itemsize
        most = next((side for side in _SHARDS if pixel * side * side <= _SHARD_BYTES), _SHARDS[-1])
        chunk = min(CHUNK, most)
        tall, wide = (min(most, -(-side // chunk) * chunk) for side in (height, width))
        return cls(shard=(num_bands, tall, wide), chunk=(1, chunk, chunk))


class OmeZarrWriter(Writer):
    suffixes = ("ome.zarr", "zarr")
    format = Format(
        driver="OME-Zarr",
        max_side=2**31 - 1,
        has_any_dtype=True,
        leaves_out=("gamma and primaries",),
        is_folder=True,
        marker="zarr.json",
        # a scratch file, its smaller levels, and the result
        disk_per_raw_byte=2.5,
    )

    def write(self, staging: Path, picture: Picture, blocks: Blocks) -> None:
        import zarr  # every command knows of this writer, and few need it
        from zarr.storage import LocalStore

        scratch, total = write_scratch(staging, picture, blocks)
        levels = write_levels(scratch, picture, CHUNK)
        group = zarr.create_group(LocalStore(staging), zarr_format=3)
        shapes = [_write_level(group, picture, level, path) for level, path in enumerate(levels)]
        if _sum(group["0"]) != total:
            raise OSError("what was written reads back with other values; the disk is full or damaged")
        ranges = _windows(group[str(len(levels) - 1)], picture)
        group.update_attributes(_plain(attributes(picture, shapes, ranges)))
        for path in levels:
            path.unlink()


def _write_level(group: Any, picture: Picture, level: int, path: Path) -> tuple[int, int]:
    """Copy a raster into the array of a level; its height and width."""
    from zarr.codecs import BloscCodec

    with open_raster(str(path)) as raster:
        shape = raster.height, raster.width
        cut = Shape.of(picture.num_bands, *shape, picture.dtype)
        array = group.create_array(
            str(level),
            shape=(picture.num_bands, *shape),
            dtype=picture.dtype,
            chunks=cut.chunk,
            shards=cut.shard,
            compressors=BloscCodec(cname="zstd", clevel=_LEVEL, shuffle="shuffle"),
            fill_value=_fill(picture),
            dimension_names=AXES,
            attributes=_plain(array_attributes(picture, level, shape)),
        )
        for box in windows(*shape, *cut.shard[1:]):
            array[:, *box.slices] = raster.read(window=window_of(box))
    return shape


def _sum(array: Any) -> int:
    """The checksum of all values, a shard at a time."""
    _, height, width = array.shape
    boxes = windows(height, width, *array.shards[1:])
    return sum(value_sum(array[:, *box.slices]) for box in boxes) % SUM_MODULUS


def _fill(picture: Picture) -> Any:
    """What a pixel is that was never written."""
    return np.dtype(picture.dtype).type(0 if picture.nodata is None else picture.nodata)


def _windows(smallest: Any, picture: Picture) -> list[tuple[float, float, float, float]]:
    found = []
    for band in range(picture.num_bands):
        values = smallest[band].astype(np.float64)
        is_data = band < picture.num_colours and picture.nodata is not None
        found.append(window(values[values != picture.nodata] if is_data else values, picture.dtype))
    return found


def _plain(table: dict[str, Any]) -> dict[str, Any]:
    """Lists for tuples, numbers for NumPy's; ValueError for what JSON cannot hold."""
    found: dict[str, Any] = json.loads(json.dumps(table, allow_nan=False))
    return found
