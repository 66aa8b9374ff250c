"""JPEG, strip by strip from a scratch file."""

from __future__ import annotations

import logging
from pathlib import Path

from storage.images.density import jpeg_density
from storage.images.exif import exif_for
from storage.images.iptc import resources
from storage.images.jpeg import STRIP_ROWS, segment, write_jpeg
from storage.images.limits import Format
from storage.images.picture import Picture
from storage.images.tiff import Blocks, check_written, read_back, read_strips
from storage.images.words import comment_of

from .scratch import write_scratch, write_sidecar
from .writer import Writer

log = logging.getLogger(__name__)

_QUALITY = 95
_APP1, _APP13, _COMMENT = 0xE1, 0xED, 0xFE
_XMP_PREFIX = b"http://ns.adobe.com/xap/1.0/\0"


class JpegWriter(Writer):
    suffixes = ("jpg", "jpeg")
    format = Format(
        driver="JPEG",
        max_side=65500,
        has_16_bits=False,
        has_many_bands=False,
        has_alpha=False,
        is_lossy=True,
        leaves_out=("gamma and primaries",),
        disk_per_raw_byte=1.0,
    )

    def write(self, staging: Path, picture: Picture, blocks: Blocks) -> None:
        scratch, total = write_scratch(staging, picture, blocks)
        check_written(scratch, total)
        write_jpeg(
            staging,
            read_strips(scratch, STRIP_ROWS),
            height=picture.height,
            quality=_QUALITY,
            icc=picture.icc,
            dpi=jpeg_density(picture.dpi),
            segments=_segments(picture),
        )
        read_back(staging)
        write_sidecar(staging, picture)


def _segments(picture: Picture) -> list[bytes]:
    """Words of the header, each in 64 KiB at most: what is longer is left out with a warning."""
    iptc, packet, comment = picture.info.metadata.embedded.iptc, picture.xmp(with_iptc=False), comment_of(picture)
    bodies = {
        "EXIF": (_APP1, exif_for(picture, software=picture.software)),
        "XMP": (_APP1, None if packet is None else _XMP_PREFIX + packet.encode()),
        "IPTC": (_APP13, resources(iptc) if iptc else None),
        "comment": (_COMMENT, comment.encode() if comment else None),
    }
    found = []
    for name, (marker, body) in bodies.items():
        if body is None:
            continue
        made = segment(marker, body)
        if made is None:
            log.warning("%s: its %s is longer than a JPEG's header holds, so it is left out", picture.info.path, name)
        else:
            found.append(made)
    return found
