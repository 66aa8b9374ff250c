"""What the stored values of a band with a colour table stand for."""

from __future__ import annotations

from typing import Any

import numpy as np

from .gdal import GDAL_ERRORS

_OPAQUE = 255


def read_palette(raster: Any) -> np.ndarray | None:
    """``[values, 4]`` red, green, blue of the band's own number format, and opacity, 0 to 255; None without a table.

    Min-is-white images are such bands to GDAL, with a table of 8 bits whatever they have: their values are turned over.
    """
    is_wide = raster.dtypes[0] == "uint16"
    if is_wide and raster.tags(ns="IMAGE_STRUCTURE").get("MINISWHITE") == "YES":
        return _turned_over(int(raster.tags(1, ns="IMAGE_STRUCTURE").get("NBITS", 16)))
    try:
        colours = raster.colormap(1)
    except (ValueError, *GDAL_ERRORS):
        return None
    values = 1 << 16 if is_wide else 256
    table = np.zeros((values, 4), np.uint16 if is_wide else np.uint8)
    for value, colour in colours.items():
        if value < values:
            table[value] = colour
    table[len(colours) :, 3] = _OPAQUE
    if is_wide:
        table[:, :3] *= 257
    return table


def _turned_over(bits: int) -> np.ndarray:
    table = np.zeros((1 << 16, 4), np.uint16)
    table[:, :3] = np.maximum((1 << bits) - 1 - np.arange(1 << 16), 0)[:, None]
    table[:, 3] = _OPAQUE
    return table


def num_classes(raster: Any) -> int:
    """How many colours the table of a palette band has; entries that are black as an unused one count once."""
    return len({tuple(colour[:3]) for colour in raster.colormap(1).values()})
