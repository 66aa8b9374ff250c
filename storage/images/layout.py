"""Which bands of a file are carried, which a model is shown, which one is transparency, and what is no picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from rasterio.enums import ColorInterp, MaskFlags

from storage.errors import ImageError

from .palette import read_palette
from .shown import check_bands, find_shown

DTYPES = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "float32", "float64")
"""number formats that are read, carried and written as they are"""
ALPHA = ("auto", "band", "none")
"""what a band that is declared to be transparency may be taken for"""
_FOREIGN = {
    "CMYK": "four inks (CMYK)",
    "CIELAB": "the CIELAB colour space",
    "YCbCrK": "four inks (YCCK)",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What a user says of a file's bands, each counted from 1."""

    shown: tuple[int, ...] | None = None
    """one or three bands that the model sees; None for what the file says"""
    only: tuple[int, ...] | None = None
    """bands that are read at all; None for all of them"""
    alpha: str = "auto"
    """whether a band that is declared to be transparency is: ``band``, ``none``, or what the file as a whole says"""


ALL = Choice()


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """How the picture's bands come out of the file's bands."""

    bands: tuple[int, ...]
    """file bands that are carried, counted from 1, in the file's order"""
    shown: tuple[int, ...]
    """places in ``bands`` of what the model sees, counted from 0: gray, or red, green and blue"""
    palette: np.ndarray | None
    """``[values, 4]`` red, green, blue, alpha of each stored value, or None; see palette.py"""
    factor: int
    """what stored values are multiplied by, for gray of fewer than 8 bits"""
    alpha: str
    """where transparency comes from: "none", "band", "palette" or "mask" """
    alpha_band: int
    notes: tuple[str, ...] = ()
    """what was decided where the file leaves it open, a line each"""

    @property
    def num_bands(self) -> int:
        """Of the picture: a palette's colours are bands."""
        return len(self.bands) if self.palette is None else len(self.shown)


def read_layout(path: str, raster: Any, choice: Choice = ALL) -> Layout:
    """Understand an open rasterio dataset. Raises ImageError for what is no picture, and for bands that it lacks."""
    _check_kind(path, raster)
    alpha_band, notes = _find_alpha(path, raster, choice)
    bands = _carried(path, raster, choice, alpha_band)
    palette = read_palette(raster) if bands == (1,) and raster.colorinterp[0] == ColorInterp.palette else None
    if palette is None:
        colours = [raster.colorinterp[band - 1].name for band in bands]
        shown, said = find_shown(path, bands, colours, choice.shown)
        notes = (*notes, *said)
    else:
        shown = (0,) if bool((palette[:, :1] == palette[:, 1:3]).all()) else (0, 1, 2)
    num_bits = int(raster.tags(bands[0], ns="IMAGE_STRUCTURE").get("NBITS", 8))
    return Layout(
        bands=bands,
        shown=shown,
        palette=palette,
        factor=255 // (2**num_bits - 1) if num_bits < 8 and palette is None and raster.dtypes[0] == "uint8" else 1,
        alpha=_alpha_source(raster, palette, alpha_band),
        alpha_band=alpha_band,
        notes=notes,
    )


def _check_kind(path: str, raster: Any) -> None:
    space = raster.tags(ns="IMAGE_STRUCTURE").get("SOURCE_COLOR_SPACE", "")
    if space in _FOREIGN:
        raise ImageError(f"{path} holds {_FOREIGN[space]}; expected gray or RGB: convert it with its colour profile")
    if raster.count == 0:
        raise ImageError(f"{path} is a collection of images; expected one image: name the one to read")
    if len(set(raster.dtypes)) > 1 or raster.dtypes[0] not in DTYPES:
        held = ", ".join(sorted(set(raster.dtypes)))
        raise ImageError(
            f"{path} holds {held} values; expected bands of one number format of {', '.join(DTYPES)}: convert it first"
        )


def _find_alpha(path: str, raster: Any, choice: Choice) -> tuple[int, tuple[str, ...]]:
    """The band that is transparency, 0 for none, and what is to be said of that."""
    if ColorInterp.alpha not in raster.colorinterp:
        if choice.alpha != "band":
            return 0, ()
        if raster.count not in (2, 4):
            raise ImageError(f"{path} has {raster.count} bands, none of which says that it is alpha: leave --alpha out")
        return raster.count, (f"band {raster.count} is taken as transparency, as --alpha band asks",)
    band = raster.colorinterp.index(ColorInterp.alpha) + 1
    if choice.alpha == "band":
        return band, ()
    if choice.alpha == "none":
        return 0, (f"band {band} is carried as data, as --alpha none asks",)
    doubt = _doubt(raster, choice, band)
    if doubt:
        return 0, (
            f"band {band} says that it is alpha, but {doubt}: it is carried as data (--alpha band if it is not)",
        )
    return band, ()


def _doubt(raster: Any, choice: Choice, band: int) -> str:
    """Why a band that is declared to be alpha is not, in words; empty where nothing speaks against it."""
    if any(band in (asked or ()) for asked in (choice.shown, choice.only)):
        return "--bands asks for it"
    if any(value is not None for value in raster.nodatavals):
        return f"nodata of {raster.nodatavals[0]:g} says already what is no data"
    if raster.count > 2 and raster.colorinterp[0] == ColorInterp.gray:
        return "the file is no RGB picture"
    return ""


def _alpha_source(raster: Any, palette: np.ndarray | None, alpha_band: int) -> str:
    if alpha_band:
        return "band"
    if palette is not None:
        return "palette" if (palette[:, 3] < 255).any() else "none"
    flags = raster.mask_flag_enums[0]
    return "mask" if MaskFlags.per_dataset in flags and MaskFlags.alpha not in flags else "none"


def _carried(path: str, raster: Any, choice: Choice, alpha_band: int) -> tuple[int, ...]:
    for asked in (choice.only, choice.shown):
        check_bands(path, raster.count, asked)
    if choice.only is not None:
        return choice.only
    return tuple(band for band in range(1, raster.count + 1) if band != alpha_band)
