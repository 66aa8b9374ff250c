"""What is known of an image file beside its pixels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from storage.box import Box

from .georeference import GeoReference
from .identity import fingerprint
from .metadata import NOTHING, Metadata
from .names import parse_name


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageInfo:
    """One image as gigatile sees it: upright, with all its bands, in its own number format."""

    path: str
    """absolute; of one image of many in a file with GDAL's words for it, of a URL as it may be shown"""
    driver: str
    """GDAL's name of the format"""
    height: int
    width: int
    num_bands: int
    """without transparency"""
    dtype: str
    """uint8, int8, uint16, int16, uint32, int32, float32 or float64"""
    has_alpha: bool
    """whether ``ImageSource.alpha`` gives a mask: an alpha band, a transparent palette entry or a mask file"""
    geo: GeoReference
    nodata: float | None
    """what the file says stands for no data, in every band"""
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
    shown: tuple[int, ...] = ()
    """bands that a model is shown, counted from 0: one, or red, green and blue; () for all of them"""
    holes: str = "none"
    """what can be no data: "none", single values of "bands", or "pixels" as a whole"""
    notes: tuple[str, ...] = ()
    """what was decided where the file leaves it open, a line each"""
    metadata: Metadata = NOTHING
    """words, scales of values and what bands show, as the file says it"""

    @property
    def shown_bands(self) -> tuple[int, ...]:
        """See ``shown``."""
        return self.shown or tuple(range(self.num_bands))

    @property
    def file(self) -> str:
        """``path`` without words for one image of many; "" where no file is."""
        return parse_name(self.path).file if self.path else ""

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
