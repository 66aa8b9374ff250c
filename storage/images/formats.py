"""The image formats that results are written in, and what each of them cannot hold."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from storage.errors import ImageError


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """One output format."""

    driver: str
    """GDAL's name"""
    max_side: int
    """pixels"""
    has_16_bits: bool = True
    has_alpha: bool = True
    is_lossy: bool = False
    disk_per_raw_byte: float
    """disk needed while writing, scratch file included, for a byte of pixels: a cautious guess for photographs"""


_TIFF = Format(driver="GTiff", max_side=2**31 - 1, disk_per_raw_byte=0.75)
_PNG = Format(driver="PNG", max_side=2**31 - 1, disk_per_raw_byte=1.5)
_JPEG = Format(
    driver="JPEG",
    max_side=65500,
    has_16_bits=False,
    has_alpha=False,
    is_lossy=True,
    disk_per_raw_byte=1.0,
)
_BY_SUFFIX = {".tif": _TIFF, ".tiff": _TIFF, ".png": _PNG, ".jpg": _JPEG, ".jpeg": _JPEG}


def format_of(path: Path) -> Format:
    """The format that a file name's suffix asks for; ImageError for one that is not known."""
    found = _BY_SUFFIX.get(path.suffix.lower())
    if found is None:
        raise ImageError(
            f"cannot write {path}: expected a name in {' '.join(_BY_SUFFIX)}, got {path.suffix or 'none'!r}"
        )
    return found


def check_fits(path: Path, *, height: int, width: int, dtype: str) -> None:
    """Raise ImageError where the format of ``path`` cannot hold ``height`` x ``width`` pixels of ``dtype``."""
    wanted = format_of(path)
    if max(height, width) > wanted.max_side:
        raise ImageError(
            f"cannot write {path}: {wanted.driver} holds at most {wanted.max_side} pixels a side, got {height} x "
            f"{width}; choose .tif"
        )
    if dtype != "uint8" and not wanted.has_16_bits:
        raise ImageError(
            f"cannot write {path}: {wanted.driver} holds 8 bits, the image has {dtype}; choose .tif or .png"
        )
