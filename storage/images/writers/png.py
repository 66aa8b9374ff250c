"""PNG, by GDAL from a scratch file."""

from __future__ import annotations

from pathlib import Path

import rasterio.shutil

from storage.images.density import stamp_png
from storage.images.limits import Format
from storage.images.picture import Picture
from storage.images.tiff import Blocks, check_written

from .scratch import write_scratch, write_sidecar
from .writer import Writer

_LEVEL = 4


class PngWriter(Writer):
    suffixes = ("png",)
    format = Format(driver="PNG", max_side=2**31 - 1, disk_per_raw_byte=1.5)

    def write(self, staging: Path, picture: Picture, blocks: Blocks) -> None:
        scratch, total = write_scratch(staging, picture, blocks)
        # The profile comes with the scratch file: as an option, rasterio's copy would turn its base64 to upper case.
        rasterio.shutil.copy(str(scratch), str(staging), driver="PNG", ZLEVEL=_LEVEL)
        if picture.dpi:
            stamp_png(staging, picture.dpi)
        check_written(staging, total)
        write_sidecar(staging, picture)
