"""Small pictures that Pillow reads and GDAL does not, or reads otherwise than they are meant: whole, and bounded.

TGA, GIF, BMP, moving WebP; HEIC and AVIF; CMYK and CIELAB, through their profile.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from storage.box import Box
from storage.errors import ImageError
from storage.images.embedded import Embedded, embedded_in
from storage.images.exif import EXIF_PREFIX
from storage.images.georeference import GeoReference
from storage.images.identity import with_words
from storage.images.info import ImageInfo
from storage.images.inks import srgb, to_srgb
from storage.images.layout import Choice
from storage.images.metadata import metadata_of
from storage.images.opened import ImageSource
from storage.images.pages import chosen
from storage.images.place import Place
from storage.images.riff import read_webp
from storage.images.shown import check_bands, find_shown

log = logging.getLogger(__name__)

MOST_PIXELS = 64_000_000
_HEIF = "pillow-heif"
_HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"mif1", b"msf1", b"hevc")
_AVIF_BRANDS = (b"avif", b"avis")
_MOVING = ("GIF", "WEBP", "AVIF")
_INKS = ("CMYK", "LAB")
_TABLES = ("P", "PA")
_TOO_LARGE = (
    "{path} has {size} pixels, and this format is decoded whole: expected "
    f"{MOST_PIXELS // 1_000_000} million at most; convert it to a TIFF of gray or RGB first"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """What Pillow is to take a file for."""

    format: str
    """Pillow's own name: no other of its readers is asked"""
    space: str = ""
    """CMYK, YCCK or CIELAB"""


def kind_of(place: Place, head: bytes) -> Kind | None:
    """What Pillow reads better than GDAL does; None where GDAL is to be asked."""
    if head[4:8] == b"ftyp":
        brands = head[8:12], *(head[at : at + 4] for at in range(16, min(64, int.from_bytes(head[:4])), 4))
        if any(brand in _AVIF_BRANDS for brand in brands):
            return Kind(format="AVIF")
        return Kind(format="HEIF") if any(brand in _HEIC_BRANDS for brand in brands) else None
    if head[:6] in (b"GIF87a", b"GIF89a"):
        return Kind(format="GIF") if _is_small(head[6:10]) else None
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        with place.open() as file:
            return Kind(format="WEBP") if read_webp(file).frames > 1 else None
    if head[:2] == b"BM":
        return Kind(format="BMP")
    return Kind(format="TGA") if place.name.suffix.lower() == ".tga" and _is_tga(head) else None


def _is_small(size: bytes) -> bool:
    return int.from_bytes(size[:2], "little") * int.from_bytes(size[2:], "little") <= MOST_PIXELS


def _is_tga(head: bytes) -> bool:
    """By what its header may hold: TGA has no mark."""
    return (
        len(head) >= 18 and head[1] in (0, 1) and head[2] in (1, 2, 3, 9, 10, 11) and head[16] in (1, 8, 15, 16, 24, 32)
    )


def num_frames(place: Place, kind: Kind) -> int:
    """How many pictures the file holds. Raises ImageError, one line."""
    _load_plugin(kind, place)
    with _telling(place), place.open() as file, Image.open(file, formats=[kind.format]) as image:
        return int(getattr(image, "n_frames", 1))


class PillowSource(ImageSource):
    """See ImageSource. All of it is in memory: 64 million pixels at most. It has no georeference."""

    def __init__(self, place: Place, kind: Kind, choice: Choice, frame: int | None) -> None:
        """``frame`` counts from 1; None for the first, with a warning of more."""
        self._place = place
        picture, facts, self._frame = _decoded(place, kind, frame)
        pixels, alpha = _arrays(_plain(picture, kind, place))
        self._pixels, self._alpha, notes = _divided(place.path, pixels, alpha, picture.mode in _TABLES, choice)
        bands, shown = _choose(place.path, len(self._pixels), choice)
        if choice.only is not None:
            self._pixels = self._pixels[[band - 1 for band in bands]]
        dpi = facts.get("dpi")
        self.info = ImageInfo(
            path=place.path,
            driver=kind.format,
            height=self._pixels.shape[1],
            width=self._pixels.shape[2],
            num_bands=len(self._pixels),
            dtype=str(self._pixels.dtype),
            has_alpha=self._alpha is not None,
            geo=GeoReference(),
            nodata=None,
            descriptions=(None,) * len(self._pixels),
            icc=srgb() if kind.space else facts.get("icc_profile"),
            dpi=(float(dpi[0]), float(dpi[1])) if dpi else None,
            packages=_packages(kind),
            shown=shown,
            holes="none" if self._alpha is None else "pixels",
            notes=notes,
            metadata=metadata_of(_embedded(place, kind, facts)),
        )

    def fingerprint(self) -> str:
        """The sha256 of the bytes, and of the frame's number where there are more than the first."""
        digest = super().fingerprint() if self._place.remote is None else self._place.remote.fingerprint()
        return with_words(digest, f"frame {self._frame}" if self._frame > 1 else "")

    def alpha(self, box: Box) -> np.ndarray | None:
        return None if self._alpha is None else np.ascontiguousarray(self._alpha[box.slices])

    def close(self) -> None:
        pass

    def _look(self, box: Box) -> tuple[np.ndarray, np.ndarray | None]:
        pixels = np.ascontiguousarray(self._pixels[:, *box.slices])
        return pixels, None if self._alpha is None else self._alpha[None, *box.slices] > 0


def _divided(
    where: str, pixels: np.ndarray, alpha: np.ndarray | None, is_table: bool, choice: Choice
) -> tuple[np.ndarray, np.ndarray | None, tuple[str, ...]]:
    """Bands and opacity as the user has it, and what is to be said of that; opacity of a colour table is no band."""
    if alpha is None:
        if choice.alpha == "band":
            raise ImageError(f"{where} has {len(pixels)} bands, none of which says that it is alpha: leave --alpha out")
        return pixels, None, ()
    band = len(pixels) + 1
    if is_table or choice.alpha == "band":
        return pixels, alpha, ()
    if choice.alpha == "none":
        return np.concatenate([pixels, alpha[None]]), None, (f"band {band} is carried as data, as --alpha none asks",)
    if any(band in (asked or ()) for asked in (choice.shown, choice.only)):
        said = f"band {band} says that it is alpha, but --bands asks for it: it is carried as data"
        return np.concatenate([pixels, alpha[None]]), None, (said,)
    return pixels, alpha, ()


def _embedded(place: Place, kind: Kind, facts: Mapping[Any, Any]) -> Embedded:
    """What stands in the file beside pixels; of what no reader of ours knows, what Pillow tells."""
    exif, xmp, comment = (facts.get(name) for name in ("exif", "xmp", "comment"))
    text = comment.decode("utf-8", "replace") if isinstance(comment, bytes) else ""
    plain = Embedded(
        exif=exif.removeprefix(EXIF_PREFIX) if isinstance(exif, bytes) and exif else None,
        xmp=xmp if isinstance(xmp, bytes) and xmp else None,
        texts=(("Comment", text),) if text else (),
    )
    return embedded_in(place, "GTiff" if kind.format == "TIFF" else kind.format, plain)


def _decoded(place: Place, kind: Kind, frame: int | None) -> tuple[Image.Image, dict[Any, Any], int]:
    """The picture, upright, what Pillow tells of the file, and the frame's number, 0 where it is the only one."""
    _load_plugin(kind, place)
    with _telling(place), place.open() as file, Image.open(file, formats=[kind.format]) as image:
        _check_size(place, image.height, image.width)
        count = getattr(image, "n_frames", 1)
        number = chosen(place, count, frame, "frame" if kind.format in _MOVING else "picture")
        if count > 1:
            image.seek(number - 1)
        image.load()
        return ImageOps.exif_transpose(image), dict(image.info), number if count > 1 else 0


def _choose(where: str, count: int, choice: Choice) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The bands to carry, counted from 1, and the places among them of those shown. Raises ImageError, one line."""
    for asked in (choice.only, choice.shown):
        check_bands(where, count, asked)
    bands = tuple(choice.only or range(1, count + 1))
    return bands, find_shown(where, bands, (), choice.shown)[0]


def _check_size(place: Place, height: int, width: int) -> None:
    if height * width > MOST_PIXELS:
        raise ImageError(_TOO_LARGE.format(path=place.path, size=f"{height} x {width}"))


def _plain(picture: Image.Image, kind: Kind, place: Place) -> Image.Image:
    """The picture as gray or RGB, with alpha or without. Raises ImageError, one line."""
    if picture.mode in _INKS:
        what = f"four inks ({kind.space or 'CMYK'})" if picture.mode == "CMYK" else "CIELAB colours"
        if picture.mode == "CMYK" and not picture.info.get("icc_profile"):
            raise ImageError(
                f"{place.path} holds {what} and no colour profile that says how they look; expected gray or RGB: "
                "convert it with the profile that it was made for"
            )
        found = to_srgb(picture, place.path)
        log.warning("%s holds %s: turned to sRGB through its profile, relative colorimetric", place.path, what)
        return found
    if picture.mode in _TABLES:
        clear = "transparency" in picture.info or picture.mode == "PA"
        colours = picture.convert("RGBA" if clear else "RGB")
        bands = colours.split()
        is_gray = bands[0].tobytes() == bands[1].tobytes() == bands[2].tobytes()
        return colours.convert("LA" if clear else "L") if is_gray else colours
    if picture.mode == "1":
        return picture.convert("L")
    if picture.mode not in ("L", "LA", "RGB", "RGBA", "I;16", "I;16L", "I;16B"):
        raise ImageError(f"{place.path} holds {picture.mode} values; expected gray or RGB of 8 bits: convert it first")
    return picture


def _arrays(picture: Image.Image) -> tuple[np.ndarray, np.ndarray | None]:
    """Pixels ``[band, y, x]``, and opacity ``[y, x]`` where it has one."""
    found = np.asarray(picture)
    if found.ndim == 2:
        return np.ascontiguousarray(found)[None], None
    bands = np.ascontiguousarray(found.transpose(2, 0, 1))
    return (bands[:-1], bands[-1]) if picture.mode in ("LA", "RGBA") else (bands, None)


@contextmanager
def _telling(place: Place) -> Iterator[None]:
    """What Pillow raises, as one line; what it warns of stays unsaid but for what it means."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except ImageError:
        raise
    except Image.DecompressionBombError as error:
        raise ImageError(_TOO_LARGE.format(path=place.path, size="too many")) from error
    except (OSError, SyntaxError, ValueError, EOFError, TypeError, IndexError) as error:
        reason = " ".join(str(error).split()).replace(repr(place), "it") or type(error).__name__
        raise ImageError(
            f"{place.path} is damaged, or of a kind that cannot be read: {reason}; get it again"
        ) from error


def _load_plugin(kind: Kind, place: Place) -> None:
    """HEIC is read by a package of its own, which adds itself to Pillow's formats."""
    if kind.format != "HEIF":
        return
    try:
        importlib.import_module("pillow_heif").register_heif_opener()
    except ImportError as error:
        raise ImageError(
            f"{place.path} is HEIC, which the package {_HEIF} reads: install it, or convert the picture to TIFF or PNG"
        ) from error


def _packages(kind: Kind) -> dict[str, str]:
    return {_HEIF: importlib.metadata.version(_HEIF)} if kind.format == "HEIF" else {}
