"""The image formats that results are written in, and what each of them cannot hold."""

from __future__ import annotations

from pathlib import Path

from storage.errors import ImageError
from storage.registry import Registry

from .density import jpeg_density, usable
from .info import ImageInfo
from .limits import Format
from .picture import RGB
from .writers.cog import CogWriter
from .writers.deep_zoom import DeepZoomJpegWriter, DeepZoomWebpWriter, DeepZoomWriter
from .writers.iiif import IiifPngWriter, IiifWebpWriter, IiifWriter
from .writers.jpeg import JpegWriter
from .writers.ome_zarr import OmeZarrWriter
from .writers.png import PngWriter
from .writers.tiff import TiffWriter
from .writers.webp import WebpWriter
from .writers.writer import Writer

WRITERS: Registry[Writer] = Registry(
    what="writer",
    group="gigatile.writers",
    kind=Writer,
    built_in=(
        *(TiffWriter(), CogWriter(), PngWriter(), JpegWriter(), WebpWriter(), OmeZarrWriter()),
        *(DeepZoomWriter(), DeepZoomJpegWriter(), DeepZoomWebpWriter()),
        *(IiifWriter(), IiifPngWriter(), IiifWebpWriter()),
    ),
    names_of=lambda writer: writer.suffixes,
)
"""by the suffix without its dot"""
_COG = CogWriter()


def writer_of(path: Path, info: ImageInfo | None = None) -> Writer:
    """What writes the format that a file name's suffix asks for; ImageError for one that is not known.

    ``info``: of the input. A TIFF of a picture that lies on the ground is a cloud optimized one.
    """
    try:
        found = WRITERS.find(_suffix(path))
    except ValueError as error:
        raise ImageError(f"cannot write {path}: {error}") from error
    if found is None:
        known = " ".join(f".{name}" for name in WRITERS.names())
        raise ImageError(f"cannot write {path}: expected a name in {known}, got {path.suffix or 'none'!r}")
    if isinstance(found, TiffWriter) and info is not None and not info.geo.is_empty:
        return _COG
    return found


def beside_of(path: Path) -> str:
    """The ending of the folder that a format has beside its file, empty where it has none, or is not known."""
    found = WRITERS.find(_suffix(path))
    return "" if found is None else found.format.beside


def package_of(path: Path) -> str | None:
    """The package that writes it, with its version; None for gigatile itself."""
    return next((f"{name} {version}" for name, version in WRITERS.packages(_suffix(path)).items()), None)


def numbered(path: str, number: int) -> str:
    """A file's name or URL with a page's number before the suffix that says its format.

    >>> numbered("s3://bucket/a.ome.zarr", 2), numbered("b.c.tif", 3)
    ('s3://bucket/a-p2.ome.zarr', 'b.c-p3.tif')
    """
    length = len(_suffix(Path(path)))
    cut = len(path) - length - 1 if length else len(path)
    return f"{path[:cut]}-p{number}{path[cut:]}"


def _suffix(path: Path) -> str:
    """The last suffix, or the last two where a format goes by them."""
    both = "".join(path.suffixes[-2:]).lower().removeprefix(".")
    return both if both in WRITERS.names() else path.suffix.lower().removeprefix(".")


def format_of(path: Path, info: ImageInfo | None = None) -> Format:
    """The format that a file name's suffix asks for; ImageError for one that is not known. ``info`` as in writer_of."""
    return writer_of(path, info).format


def check_fits(path: Path, *, height: int, width: int, dtype: str, num_colours: int = 3) -> None:
    """Raise ImageError where the format of ``path`` cannot hold ``height`` x ``width`` pixels of ``dtype``.

    ``num_colours``: bands, without alpha.
    """
    wanted = format_of(path)
    if max(height, width) > wanted.max_side:
        raise ImageError(
            f"cannot write {path}: {wanted.driver} holds at most {wanted.max_side} pixels a side, got {height} x "
            f"{width}; choose .tif"
        )
    if wanted.max_pixels is not None and height * width > wanted.max_pixels:
        raise ImageError(
            f"cannot write {path}: {wanted.driver} is made in memory as a whole, so at most {wanted.max_pixels:,} "
            f"pixels are written, got {height} x {width}; choose .tif, .png or .jpg"
        )
    if not wanted.holds(dtype):
        bits, others = ("8 or 16 bits", ".tif") if wanted.has_16_bits else ("8 bits", _of_more_bits(wanted))
        raise ImageError(f"cannot write {path}: {wanted.driver} holds {bits}, the image has {dtype}; choose {others}")
    if not wanted.has_many_bands and num_colours not in (1, len(RGB)):
        raise ImageError(
            f"cannot write {path}: {wanted.driver} holds gray or RGB, the image has {num_colours} bands; choose .tif"
        )


def _of_more_bits(wanted: Format) -> str:
    """What to choose: viewers of pyramids show one in OME-Zarr with a range that can be moved."""
    return ".ome.zarr or .tif" if wanted.is_folder or wanted.beside else ".tif or .png"


def losses(path: str, info: ImageInfo, scale: int = 1) -> list[str]:
    """What the format of ``path`` cannot hold of the input, in one line, or none: to be said before a run.

    ``scale``: output pixels along each axis of one input pixel.
    """
    wanted, metadata = format_of(Path(path), info), info.metadata
    dpi = None if usable(info.dpi) is None or info.dpi is None else (info.dpi[0] * scale, info.dpi[1] * scale)
    is_tiff = wanted.driver in ("GTiff", "COG")
    there = {
        "transparency": info.has_alpha and not (wanted.has_alpha or (metadata.has_mask and wanted.has_mask)),
        "nodata value": info.nodata is not None and (wanted.is_lossy or not wanted.has_nodata),
        "gray (it becomes RGB)": info.num_bands == 1 and not wanted.has_gray,
        "profile for gray": info.icc is not None and info.num_bands == 1 and not wanted.has_gray,
        "resolution as it is told, which cannot be meant": info.dpi is not None
        and usable(info.dpi) is None
        and any(info.dpi),
        "resolution above 65535": wanted.driver == "JPEG" and dpi is not None and jpeg_density(dpi) is None,
        "EXIF (what it says becomes tags)": is_tiff and metadata.embedded.exif is not None,
        **{kind: kind in metadata.kinds for kind in wanted.leaves_out},
    }
    lost = [kind for kind, is_lost in there.items() if is_lost]
    if not lost:
        return []
    others = "" if is_tiff else "; choose .tif or .png"
    return [f"{path}: {wanted.driver} has no {', '.join(lost)}, so the input's is left out{others}"]
