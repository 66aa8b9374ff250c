"""What is known of an image file beside its pixels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from storage.box import Box

from .georeference import GeoReference
from .identity import fingerprint
from .metadata import NOTHING, Metadata


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageInfo:
    """One image as gigatile sees it: upright, gray or RGB, 8 or 16 bits."""

    path: str
    """absolute"""
    driver: str
    """GDAL's name of the format"""
    height: int
    width: int
    num_bands: int
    """1 (gray, or one selected band) or 3"""
    dtype: str
    """uint8 or uint16"""
    has_alpha: bool
    """whether ``ImageSource.alpha`` gives a mask: an alpha band, a transparent palette entry or a mask file"""
    geo: GeoReference
    nodata: float | None
    descriptions: tuple[str | None, ...]
    """one a band, None where the file names none"""
    icc: bytes | None
    """colour profile"""
    dpi: tuple[float, float] | None
    """dots an inch along x and y"""
    files: tuple[str, ...] = ()
    """every file that the image hangs on, absolute, ``path`` first: a VRT's sources, masks, world files; () for one"""

    packages: Mapping[str, str] = field(default_factory=dict)
    """the package that reads it, with its version; empty where gigatile does"""
    metadata: Metadata = NOTHING
    """words, scales of values and what bands show, as the file says it"""

    @property
    def canvas(self) -> Box:
        return Box(top=0, left=0, height=self.height, width=self.width)

    @property
    def crs_wkt(self) -> str | None:
        return self.geo.crs_wkt

    @property
    def transform(self) -> tuple[float, float, float, float, float, float] | None:
        """a, b, c, d, e, f: x = a * col + b * row + c, y = d * col + e * row + f."""
        return self.geo.transform

    def fingerprint(self) -> str:
        """The sha256 of the file's bytes, or of those of all ``files``; read anew at each call. See identity.py."""
        return fingerprint(self.path, self.files)
