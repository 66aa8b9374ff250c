"""What the stored values of a band with a colour table stand for."""

from __future__ import annotations

from typing import Any

import numpy as np

from .gdal import GDAL_ERRORS

_OPAQUE = 255
_CLEAR = 0
_VALUES = {"uint8": 256, "uint16": 1 << 16}
"""how many a number format has of those that can be places in a table"""


def read_palette(raster: Any) -> np.ndarray | None:
    """``[values, 4]`` red, green, blue of the band's own number format, and opacity, 0 to 255.

    None without a table, and for values that are no places in one. A value that stands for no data is clear.
    Min-is-white images are such bands to GDAL, with a table of 8 bits whatever they have: their values are turned over.
    """
    if raster.dtypes[0] not in _VALUES:
        return None
    values = _VALUES[raster.dtypes[0]]
    is_wide = raster.dtypes[0] == "uint16"
    if is_wide and raster.tags(ns="IMAGE_STRUCTURE").get("MINISWHITE") == "YES":
        table = _turned_over(int(raster.tags(1, ns="IMAGE_STRUCTURE").get("NBITS", 16)))
    else:
        found = _read_table(raster, values)
        if found is None:
            return None
        table = found
    hole = raster.nodatavals[0]
    if hole is not None and hole in range(values):
        table[int(hole), 3] = _CLEAR
    return table


def _read_table(raster: Any, values: int) -> np.ndarray | None:
    try:
        colours = raster.colormap(1)
    except (ValueError, *GDAL_ERRORS):
        return None
    is_wide = values > 256
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
