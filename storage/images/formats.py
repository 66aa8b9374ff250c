"""The image formats that results are written in, and what each of them cannot hold."""

from __future__ import annotations

from pathlib import Path

from storage.errors import ImageError
from storage.registry import Registry

from .info import ImageInfo
from .limits import Format
from .writers.jpeg import JpegWriter
from .writers.png import PngWriter
from .writers.tiff import TiffWriter
from .writers.writer import Writer

WRITERS: Registry[Writer] = Registry(
    what="writer",
    group="gigatile.writers",
    kind=Writer,
    built_in=(TiffWriter(), PngWriter(), JpegWriter()),
    names_of=lambda writer: writer.suffixes,
)
"""by the suffix without its dot"""


def writer_of(path: Path) -> Writer:
    """What writes the format that a file name's suffix asks for; ImageError for one that is not known."""
    try:
        found = WRITERS.find(_suffix(path))
    except ValueError as error:
        raise ImageError(f"cannot write {path}: {error}") from error
    if found is None:
        known = " ".join(f".{name}" for name in WRITERS.names())
        raise ImageError(f"cannot write {path}: expected a name in {known}, got {path.suffix or 'none'!r}")
    return found


def package_of(path: Path) -> str | None:
    """The package that writes it, with its version; None for gigatile itself."""
    return next((f"{name} {version}" for name, version in WRITERS.packages(_suffix(path)).items()), None)


def _suffix(path: Path) -> str:
    return path.suffix.lower().removeprefix(".")


def format_of(path: Path) -> Format:
    """The format that a file name's suffix asks for; ImageError for one that is not known."""
    return writer_of(path).format


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


def losses(path: str, info: ImageInfo) -> list[str]:
    """What the format of ``path`` cannot hold of the input, a line each: to be said before a run."""
    wanted, lines = format_of(Path(path)), []
    if info.has_alpha and not wanted.has_alpha:
        lines.append(f"{path}: {wanted.driver} has no transparency, so the input's is left out; choose .tif or .png")
    if info.nodata is not None and wanted.is_lossy:
        lines.append(f"{path}: {wanted.driver} has no nodata value, so the input's is left out; choose .tif or .png")
    return lines
