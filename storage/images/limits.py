"""What a format of results can hold, and what writing it takes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """One output format."""

    driver: str
    """its name; of gigatile's own, GDAL's"""
    max_side: int
    """pixels"""
    max_pixels: int | None = None
    """where writing it takes memory for all of them"""
    has_16_bits: bool = True
    has_any_dtype: bool = False
    """whether it holds signed numbers, 32 bits and floats too"""
    has_many_bands: bool = True
    """whether it holds other than gray and RGB, alpha aside"""
    has_gray: bool = True
    """whether a picture of one band stays one"""
    has_alpha: bool = True
    has_premultiplied: bool = False
    """whether it can say that colours are multiplied by alpha"""
    has_mask: bool = False
    """whether it can say of each pixel that it is none, without an alpha band"""
    has_nodata: bool = True
    is_lossy: bool = False
    is_folder: bool = False
    """whether a result is a folder of files"""
    beside: str = ""
    """ending of a folder that belongs to a result's file, in place of its suffix; none where empty"""
    marker: str = ""
    """of a folder: the file in it without which it is nothing, which is written last"""
    leaves_out: tuple[str, ...] = ()
    """what of ``Metadata.kinds`` it cannot hold, nor the sidecar beside it"""
    disk_per_raw_byte: float
    """disk needed while writing, scratch file included, for a byte of pixels: a cautious guess for photographs"""

    def __post_init__(self) -> None:
        if self.is_folder and not self.marker:
            raise ValueError(f"{self.driver}: a format that is a folder needs a marker, by which one is known again")

    def holds(self, dtype: str) -> bool:
        """Whether it holds numbers of ``dtype``, as numpy calls it."""
        return dtype == "uint8" or self.has_any_dtype or (dtype == "uint16" and self.has_16_bits)
