"""Writing the tiled TIFF that every result goes through, and reading a finished file back to be sure of it.

GDAL writes late, and closing a file on a full disk reports nothing. So a result is read back before it gets its name.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from rasterio.enums import ColorInterp, MaskFlags
from rasterio.session import DummySession
from rasterio.windows import Window

from storage.box import Box

from .gdal import open_raster
from .georeference import write_georeference
from .mask import enlarged_mask
from .picture import ALPHA, Picture

Blocks = Iterable[tuple[Box, np.ndarray]]
TILE = 512
"""pixels a side of a TIFF tile"""
_PIXEL_BYTES = 8
"""of all bands, up to which tiles are as large as that: a row of tiles is kept in memory"""
_ROWS_READ = 128
_PACKET = "xml:XMP"
SUM_MODULUS = 2**64


def tile_side(picture: Picture) -> int:
    """Pixels a side of a tile: fewer where a pixel is large, since GDAL holds whole tiles of all bands."""
    pixel = picture.num_bands * np.dtype(picture.dtype).itemsize
    return next(side for side, most in ((TILE, _PIXEL_BYTES), (256, 4 * _PIXEL_BYTES), (128, pixel)) if pixel <= most)


@contextmanager
def tiff_settings(picture: Picture) -> Iterator[None]:
    """What GDAL takes from its environment alone: a mask inside of the file, and what alpha means."""
    meaning = "PREMULTIPLIED" if picture.is_premultiplied else "NON-PREMULTIPLIED"
    with rasterio.Env(DummySession(), GDAL_TIFF_INTERNAL_MASK="YES", GTIFF_ALPHA=meaning):
        yield


def write_tiff(path: Path, picture: Picture, blocks: Blocks, *, flat: bool = False, **options: Any) -> int:
    """Write blocks, opacity included, as a tiled TIFF ``path``; returns the checksum of all values (see read_back).

    ``flat``: tags of namespaces become plain ones, for a format that keeps those alone. ``options`` are GDAL's.
    """
    profile = {
        "driver": "GTiff",
        "height": picture.height,
        "width": picture.width,
        "count": picture.num_bands,
        "dtype": picture.dtype,
        "tiled": True,
        "blockxsize": tile_side(picture),
        "blockysize": tile_side(picture),
        "predictor": 3 if np.dtype(picture.dtype).kind == "f" else 2,
        "photometric": "RGB" if picture.is_rgb else "MINISBLACK",
        **({"SOURCE_ICC_PROFILE": base64.b64encode(picture.icc).decode()} if picture.icc else {}),
        **options,
    }
    with tiff_settings(picture), open_raster(str(path), "w", **profile) as raster:
        _write_metadata(raster, picture, flat=flat)
        return sum(_write_block(raster, picture, box, pixels) for box, pixels in blocks) % SUM_MODULUS


def write_more(path: Path, picture: Picture, blocks: Blocks) -> int:
    """Write blocks into a TIFF that write_tiff has made; returns the checksum of their values."""
    with tiff_settings(picture), open_raster(str(path), "r+") as raster:
        return sum(_write_block(raster, picture, box, pixels) for box, pixels in blocks) % SUM_MODULUS


def _write_block(raster: Any, picture: Picture, box: Box, pixels: np.ndarray) -> int:
    window = Window(box.left, box.top, box.width, box.height)
    raster.write(pixels, window=window)
    total = value_sum(pixels)
    if picture.mask is not None:
        mask = enlarged_mask(picture.mask, box, picture.scale, picture.info.canvas)
        raster.write_mask(mask, window=window)
        total += value_sum(mask)
    return total


def read_strips(path: Path, height: int) -> Iterator[np.ndarray]:
    """The rows of a raster file from the top, ``[bands, height or less at the end, width]``."""
    with open_raster(str(path)) as raster:
        for top in range(0, raster.height, height):
            yield raster.read(window=Window(0, top, raster.width, min(height, raster.height - top)))


def read_back(path: Path) -> int:
    """The checksum of all values of a raster file, its mask's too: see value_sum.

    Raises what GDAL raises where some cannot be read.
    """
    with open_raster(str(path)) as raster:
        return sum(total for _, _, total in read_sums(raster, 0, raster.height)) % SUM_MODULUS


def read_sums(raster: Any, top: int, bottom: int) -> Iterator[tuple[Box, np.ndarray, int]]:
    """Rows of an open raster, some at a time: their box, ``[bands, y, x]``, and the checksum of them and their mask.

    Raises what GDAL raises where some cannot be read.
    """
    has_mask = raster.mask_flag_enums[0] == [MaskFlags.per_dataset]
    for first in range(top, bottom, _ROWS_READ):
        box = Box(top=first, left=0, height=min(_ROWS_READ, bottom - first), width=raster.width)
        window = Window(0, first, box.width, box.height)
        pixels = raster.read(window=window)
        total = value_sum(pixels)
        if has_mask:
            total += value_sum(raster.dataset_mask(window=window))
        yield box, pixels, total


def check_written(path: Path, total: int) -> None:
    """Raise OSError where the values of a finished file have another checksum."""
    if read_back(path) != total:
        raise OSError("what was written reads back with other values; the disk is full or damaged")


def _write_metadata(raster: Any, picture: Picture, *, flat: bool) -> None:
    info, metadata = picture.info, picture.info.metadata
    write_georeference(raster, info.geo.scaled(picture.scale))
    if picture.nodata is not None:
        raster.nodata = picture.nodata
    if tuple(kind.name for kind in raster.colorinterp) != picture.colours or ALPHA in picture.colours:
        raster.colorinterp = tuple(ColorInterp[colour] for colour in picture.colours)
    _write_bands(raster, picture, flat=flat)
    tags = _all_tags(metadata.tags, metadata.namespaces, flat=flat)
    if info.geo.gcps:
        tags.pop(
            "AREA_OR_POINT", None
        )  # where it is Point, points come back a pixel away from where GDAL was given them
    if picture.software:
        tags["TIFFTAG_SOFTWARE"] = picture.software
    if picture.provenance is not None:
        tags |= picture.provenance.tags
    if picture.dpi:
        x, y = picture.dpi
        tags |= {"TIFFTAG_XRESOLUTION": str(x), "TIFFTAG_YRESOLUTION": str(y), "TIFFTAG_RESOLUTIONUNIT": "2"}
    raster.update_tags(**tags)
    if not flat:
        for name, more in metadata.namespaces.items():
            raster.update_tags(ns=name, **more)
    if packet := picture.xmp():
        # GDAL wants the packet as it is, rasterio gives it NAME=VALUE: the packet, parted at its first equals sign
        name, _, rest = packet.partition("=")
        raster.update_tags(ns=_PACKET, **{name: rest})


def _write_bands(raster: Any, picture: Picture, *, flat: bool) -> None:
    for number, description in enumerate(picture.descriptions, 1):
        if description:
            raster.set_band_description(number, description)
    bands = picture.bands
    if not bands:
        return
    rest = raster.count - len(bands)
    if any((band.scale, band.offset) != (1.0, 0.0) for band in bands):
        raster.scales = (*(band.scale for band in bands), *[1.0] * rest)
        raster.offsets = (*(band.offset for band in bands), *[0.0] * rest)
    for number, band in enumerate(bands, 1):
        if band.unit:
            raster.set_band_unit(number, band.unit)
        raster.update_tags(number, **_all_tags(band.tags, band.namespaces, flat=flat))
        if not flat:
            for name, more in band.namespaces.items():
                raster.update_tags(number, ns=name, **more)


def _all_tags(tags: Mapping[str, str], namespaces: Mapping[str, Mapping[str, str]], *, flat: bool) -> dict[str, str]:
    more = {f"{name}.{tag}": value for name, tags in namespaces.items() for tag, value in tags.items()}
    return {**tags, **(more if flat else {})}


def value_sum(values: np.ndarray) -> int:
    """The bytes of values, read as whole numbers, summed up modulo 2^64; zeros are equal, and so are NaNs."""
    whole = np.ascontiguousarray(values)
    if whole.dtype.kind == "f":  # a tile of nothing but nodata is not kept: which zero or NaN it was is lost
        whole = np.where(np.isnan(whole), whole.dtype.type(np.nan), whole + whole.dtype.type(0))
    return int(whole.view(f"u{whole.dtype.itemsize}").sum(dtype=np.uint64))
