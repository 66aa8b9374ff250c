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
    has_16_bits: bool = True
    has_alpha: bool = True
    is_lossy: bool = False
    disk_per_raw_byte: float
    """disk needed while writing, scratch file included, for a byte of pixels: a cautious guess for photographs"""
