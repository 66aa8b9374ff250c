"""Which bands of a file are the picture, which one its transparency, and which files cannot be taken."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from rasterio.enums import ColorInterp, MaskFlags

from storage.errors import ImageError

from .palette import read_palette

_DTYPES = ("uint8", "uint16", "float32", "float64")
_FOREIGN = {"CMYK": "four inks (CMYK)", "CIELAB": "the CIELAB colour space", "YCbCrK": "four inks (YCCK)"}


@dataclass(frozen=True, slots=True)
class Layout:
    """How the picture's bands come out of the file's bands."""

    bands: tuple[int, ...]
    """file bands to read, counted from 1"""
    palette: np.ndarray | None
    """``[values, 4]`` red, green, blue, alpha of each stored value, or None; see palette.py"""
    is_gray: bool
    """whether the picture has one band"""
    factor: int
    """what stored values are multiplied by, for gray of fewer than 8 bits"""
    alpha: str
    """where transparency comes from: "none", "band", "palette" or "mask" """
    alpha_band: int

    @property
    def num_bands(self) -> int:
        return 1 if self.is_gray else 3


def read_layout(path: str, raster: Any, bands: tuple[int, ...] | None) -> Layout:
    """Understand an open rasterio dataset; ``bands`` (1 or 3 of them, counted from 1) overrides what the file says.

    Raises ImageError where it is none of: gray, RGB, gray or RGB with alpha, palette.
    """
    _check_kind(path, raster)
    interps = list(raster.colorinterp)
    alpha_band = interps.index(ColorInterp.alpha) + 1 if ColorInterp.alpha in interps else 0
    chosen = _choose_bands(path, raster, bands, alpha_band)
    palette = read_palette(raster) if chosen == (1,) and interps[0] == ColorInterp.palette else None
    alpha = "none"
    if alpha_band:
        alpha = "band"
    elif palette is not None and (palette[:, 3] < 255).any():
        alpha = "palette"
    elif palette is None and MaskFlags.per_dataset in raster.mask_flag_enums[0]:
        alpha = "mask"
    is_gray = len(chosen) == 1 and (palette is None or bool((palette[:, :1] == palette[:, 1:3]).all()))
    num_bits = int(raster.tags(chosen[0], ns="IMAGE_STRUCTURE").get("NBITS", 8))
    factor = 255 // (2**num_bits - 1) if num_bits < 8 and palette is None else 1
    return Layout(chosen, palette, is_gray, factor, alpha, alpha_band)


def _check_kind(path: str, raster: Any) -> None:
    space = raster.tags(ns="IMAGE_STRUCTURE").get("SOURCE_COLOR_SPACE", "")
    if space in _FOREIGN:
        raise ImageError(f"{path} holds {_FOREIGN[space]}; expected gray or RGB: convert it with its colour profile")
    if raster.count == 0:
        raise ImageError(f"{path} is a collection of images; expected one image: name the one to read")
    if len(set(raster.dtypes)) > 1 or raster.dtypes[0] not in _DTYPES:
        found = ", ".join(sorted(set(raster.dtypes)))
        raise ImageError(f"{path} holds {found} values; expected uint8, uint16 or float in [0, 1]: convert it first")


def _choose_bands(path: str, raster: Any, bands: tuple[int, ...] | None, alpha_band: int) -> tuple[int, ...]:
    if bands is not None:
        if len(bands) not in (1, 3) or not all(1 <= band <= raster.count for band in bands):
            raise ImageError(f"{path} has bands 1 to {raster.count}; expected one or three of them, got {bands}")
        return tuple(bands)
    picture = tuple(band for band in range(1, raster.count + 1) if band != alpha_band)
    if len(picture) not in (1, 3):
        raise ImageError(f"{path} has {len(picture)} bands; expected 1 or 3: select them, such as bands 1,2,3")
    return picture
