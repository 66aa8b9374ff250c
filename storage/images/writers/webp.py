"""WebP without loss, by Pillow: its encoder takes a picture whole, with some 45 bytes a pixel, so there is a limit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from storage.images.exif import exif_for
from storage.images.limits import Format
from storage.images.picture import RGB, Picture
from storage.images.tiff import SUM_MODULUS, Blocks, check_written, read_strips, value_sum

from .scratch import write_scratch, write_sidecar
from .writer import Writer

_ROWS = 256
_OPAQUE = 255
_QUALITY = 50
"""of a search without loss: how long it takes, not how true it is"""
_EFFORT = 4
"""of 6, libwebp's own default"""


class WebpWriter(Writer):
    suffixes = ("webp",)
    format = Format(
        driver="WEBP",
        max_side=16383,
        max_pixels=10_000_000,
        has_16_bits=False,
        has_gray=False,
        has_many_bands=False,
        leaves_out=("gamma and primaries",),
        disk_per_raw_byte=1.5,
    )

    def write(self, staging: Path, picture: Picture, blocks: Blocks) -> None:
        scratch, total = write_scratch(staging, picture, blocks)
        check_written(scratch, total)
        mode = "RGBA" if picture.alpha else "RGB"
        whole = Image.new(mode, (picture.width, picture.height))
        top = colour_sum = alpha_sum = 0
        is_opaque = True
        for strip in read_strips(scratch, _ROWS):
            colours = strip[: picture.num_colours]
            rgb = colours.repeat(3, 0) if len(colours) == 1 else colours
            pixels = [*rgb, *strip[picture.num_colours :]]
            whole.paste(Image.merge(mode, [Image.fromarray(band) for band in pixels]), (0, top))
            top += strip.shape[1]
            colour_sum += value_sum(np.stack(pixels[: len(RGB)]))
            for alpha in pixels[len(RGB) :]:
                alpha_sum += value_sum(alpha)
                is_opaque = is_opaque and bool((alpha == _OPAQUE).all())
        packet, exif = picture.xmp(), exif_for(picture, software=picture.software)
        with staging.open("wb") as file:
            whole.save(
                file,
                "WEBP",
                lossless=True,
                exact=True,
                quality=_QUALITY,
                method=_EFFORT,
                icc_profile=(picture.icc if picture.num_colours == len(RGB) else None) or b"",
                exif=exif or b"",
                xmp=b"" if packet is None else packet.encode(),
            )
        # its encoder leaves an alpha out that hides nothing
        check_written(staging, (colour_sum + (0 if is_opaque else alpha_sum)) % SUM_MODULUS)
        write_sidecar(staging, picture)
