"""A format: NumPy's .npy, ``[y, x, bands]``."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from storage.images.limits import Format
from storage.images.picture import Picture
from storage.images.tiff import Blocks
from storage.images.writers.writer import Writer


class NpyWriter(Writer):
    """Fills the array on the disk, block by block."""

    suffixes = ("npy",)
    format = Format(driver="NPY", max_side=2**31 - 1, disk_per_raw_byte=1.0)

    def write(self, staging: Path, picture: Picture, blocks: Blocks) -> None:
        shape = picture.height, picture.width, picture.num_bands
        array = np.lib.format.open_memmap(staging, mode="w+", dtype=picture.dtype, shape=shape)
        for box, pixels in blocks:
            array[box.slices] = pixels.transpose(1, 2, 0)
        array.flush()


WRITER = NpyWriter()
