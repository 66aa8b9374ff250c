"""What is being written: the enlarged image's size, and everything that the input hands on to it."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import numpy as np

from storage.box import Box

from .density import usable
from .info import ImageInfo
from .kept import KeptRows
from .limits import Format
from .metadata import BandMetadata
from .opacity import ReadOpacity
from .provenance import Provenance, joined_software
from .xmp import packet

log = logging.getLogger(__name__)

RGB = ("red", "green", "blue")
ALPHA = "alpha"
_UNKNOWN = "undefined"


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """One result in one format."""

    info: ImageInfo
    """of the input"""
    scale: int
    height: int
    """pixels of the result"""
    width: int
    num_colours: int
    """bands without alpha"""
    dtype: str
    alpha: ReadOpacity | None
    """the input's opacity, where the result has an alpha band"""
    icc: bytes | None
    """colour profile"""
    wanted: Format
    mask: ReadOpacity | None = None
    """which of the input's pixels are there, where the result has a mask: 0 for none"""
    is_hard: bool = False
    """whether the alpha band holds a mask: each pixel there or not"""
    order: tuple[int, ...] | None = None
    """places in the blocks of the result's bands, where a format can show them in one order alone"""
    provenance: Provenance | None = None
    name: str = "picture"
    """of the file or folder, without those that it lies in"""
    kept: KeptRows | None = None
    """where its rows are written first so that they outlast an interruption, and those that are there"""

    @property
    def canvas(self) -> Box:
        return Box(top=0, left=0, height=self.height, width=self.width)

    @property
    def num_bands(self) -> int:
        """Bands with alpha."""
        return self.num_colours + (self.alpha is not None)

    @property
    def dpi(self) -> tuple[float, float] | None:
        """Dots an inch along x and y: the paper stays as large as it was. None where the input's cannot be meant."""
        dpi = usable(self.info.dpi)
        return None if dpi is None else usable((dpi[0] * self.scale, dpi[1] * self.scale))

    @property
    def nodata(self) -> float | None:
        """The input's nodata value, where the result can hold it; a lossy format would smear it."""
        return None if self.wanted.is_lossy or not self.wanted.has_nodata else self.none_value

    @property
    def none_value(self) -> float | None:
        """The input's nodata value, where it is one of the result's numbers, whether its format can say so or not."""
        nodata, kind = self.info.nodata, np.dtype(self.dtype)
        if nodata is None:
            return None
        if kind.kind == "f":
            return nodata if not np.isfinite(nodata) or abs(nodata) <= float(np.finfo(kind).max) else None
        limits = np.iinfo(kind)
        is_held = limits.min <= nodata <= limits.max and nodata == int(nodata)  # no number is between any
        return nodata if is_held else None

    @property
    def bands(self) -> tuple[BandMetadata, ...]:
        """What is known of the result's bands but alpha; () where they are not the input's."""
        bands = self.info.metadata.bands
        if len(bands) != self.num_colours:
            return ()
        return bands if self.order is None else tuple(bands[place] for place in self.order)

    @property
    def descriptions(self) -> tuple[str | None, ...]:
        """Names of the result's bands but alpha."""
        names = self.info.descriptions
        if self.order is None or len(names) != self.num_colours:
            return names[: self.num_colours]
        return tuple(names[place] for place in self.order)

    @property
    def colours(self) -> tuple[str, ...]:
        """What each band shows, alpha too, in GDAL's words: what the input says, or gray, or red, green, blue."""
        known = tuple(band.colour for band in self.bands)
        plain = RGB if self.num_colours == len(RGB) else ("gray", *(_UNKNOWN,) * (self.num_colours - 1))
        return (*(known or plain), *([ALPHA] if self.alpha else []))

    @property
    def is_rgb(self) -> bool:
        """Whether the first three bands are red, green and blue, in this order."""
        return self.colours[:3] == RGB

    @property
    def is_premultiplied(self) -> bool:
        """Whether colours are, in the blocks that come, multiplied by an alpha that is soft."""
        return self.alpha is not None and not self.is_hard and self.info.metadata.is_premultiplied

    @property
    def software(self) -> str | None:
        """The packages that had a part in the picture."""
        metadata = self.info.metadata
        before = metadata.tags.get("TIFFTAG_SOFTWARE") or metadata.tags.get("EXIF_Software")
        before = before or dict(metadata.embedded.texts).get("Software")
        return joined_software(before, None if self.provenance is None else self.provenance.software)

    def xmp(self, *, with_iptc: bool = True) -> str | None:
        """The XMP packet; ``with_iptc``: for a format that has no other place for IPTC's words."""
        embedded = self.info.metadata.embedded
        iptc = embedded.iptc if with_iptc else None
        return packet(embedded.xmp, self.provenance, iptc=iptc, where=self.info.path)


def in_order(colours: tuple[str, ...]) -> tuple[int, ...] | None:
    """Where red, green and blue stand among three bands that are shown in that order whatever they say.

    >>> in_order(("blue", "green", "red")), in_order(("red", "green", "blue")), in_order(("gray",))
    ((2, 1, 0), None, None)
    """
    if colours == RGB or sorted(colours) != sorted(RGB):
        return None
    return tuple(colours.index(colour) for colour in RGB)


def usable_profile(info: ImageInfo, num_colours: int) -> bytes | None:
    """The input's colour profile, unless it is damaged or for other colours: some formats refuse it then."""
    icc = info.icc
    if icc is None:
        return None
    space = b"RGB " if num_colours >= 3 else b"GRAY"
    if icc[36:40] == b"acsp" and icc[16:20] == space and int.from_bytes(icc[:4], "big") == len(icc):
        return icc
    log.warning("%s: its colour profile is damaged or not for %s, so it is left out", info.path, space.decode().strip())
    return None
