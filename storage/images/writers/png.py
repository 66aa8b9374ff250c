"""PNG, by GDAL from a scratch file."""

from __future__ import annotations

from pathlib import Path

import rasterio.shutil

from storage.images.chunks import Chunk, insert_chunks, text_chunk
from storage.images.density import png_density
from storage.images.embedded import XMP_KEYWORD
from storage.images.exif import EXIF_PREFIX, exif_for
from storage.images.limits import Format
from storage.images.picture import Picture
from storage.images.tiff import Blocks, check_written
from storage.images.words import texts_of

from .scratch import write_scratch, write_sidecar
from .writer import Writer

_LEVEL = 4


class PngWriter(Writer):
    suffixes = ("png",)
    format = Format(driver="PNG", max_side=2**31 - 1, has_many_bands=False, disk_per_raw_byte=1.5)

    def write(self, staging: Path, picture: Picture, blocks: Blocks) -> None:
        scratch, total = write_scratch(staging, picture, blocks)
        # The profile comes with the scratch file: as an option, rasterio's copy would turn its base64 to upper case.
        rasterio.shutil.copy(str(scratch), str(staging), driver="PNG", ZLEVEL=_LEVEL)
        insert_chunks(staging, _chunks(picture))
        check_written(staging, total)
        write_sidecar(staging, picture)


def _chunks(picture: Picture) -> list[Chunk]:
    """What GDAL leaves out."""
    chunks = list(picture.info.metadata.embedded.colour)
    if (density := png_density(picture.dpi)) is not None:
        chunks.append((b"pHYs", density))
    if (exif := exif_for(picture, software=picture.software)) is not None:
        chunks.append((b"eXIf", exif.removeprefix(EXIF_PREFIX)))
    chunks += [text_chunk(keyword, text) for keyword, text in texts_of(picture)]
    if (packet := picture.xmp()) is not None:
        chunks.append((b"iTXt", XMP_KEYWORD.encode() + b"\0\0\0\0\0" + packet.encode()))
    return chunks
