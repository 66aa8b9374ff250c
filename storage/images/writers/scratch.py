"""The way of formats that GDAL cannot write block by block: through a scratch file, with a sidecar beside it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import rasterio.shutil

from storage.images.picture import Picture
from storage.images.target import SIDECAR
from storage.images.tiff import Blocks, write_tiff


def write_scratch(staging: Path, picture: Picture, blocks: Blocks, *, flat: bool = False) -> tuple[Path, int]:
    """A TIFF of the blocks beside ``staging``, and the checksum of all values; ``flat`` as write_tiff has it.

    Tiles of nothing but nodata take no room in it.
    """
    scratch = staging.with_name(f"{staging.name}.scratch")
    options = {"COMPRESS": "ZSTD", "ZSTD_LEVEL": 1, "BIGTIFF": "YES", "SPARSE_OK": "YES"}
    return scratch, write_tiff(scratch, picture, blocks, flat=flat, **options)


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
