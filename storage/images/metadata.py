"""What a file says of its picture beside pixels, place and colour profile: words, scales of values, what bands show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rasterio.enums import ColorInterp, MaskFlags

from .embedded import Embedded, read_embedded
from .exif import exif_tags
from .place import Place

_PASSING = (
    "STATISTICS_",
    "TIFFTAG_MINSAMPLEVALUE",
    "TIFFTAG_MAXSAMPLEVALUE",
    "OVR_RESAMPLING_ALG",
    "LAYOUT",
    "NODATA_VALUES",
    "XML_com",
    "Raw_profile",
)
"""beginnings of tags that are true of the input's pixels and file alone, or are carried as what they stand for"""
_RESOLUTION = ("TIFFTAG_XRESOLUTION", "TIFFTAG_YRESOLUTION", "TIFFTAG_RESOLUTIONUNIT")
_UNITLESS = "1"
_OWN_WAY = ("IMAGE_STRUCTURE", "DERIVED_SUBDATASETS", "SUBDATASETS", "COLOR_PROFILE", "RPC", "GEOLOCATION", "EXIF")
"""GDAL's namespaces that are carried by other ways, or are no facts of the picture"""
_OF_THE_GRID = ("XRESOLUTION", "YRESOLUTION", "RESOLUTIONUNIT", "PIXELXDIMENSION", "PIXELYDIMENSION", "ORIENTATION")


@dataclass(frozen=True, slots=True, kw_only=True)
class BandMetadata:
    """One band that is carried."""

    tags: Mapping[str, str] = field(default_factory=dict)
    namespaces: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """more tags, by GDAL's name of their namespace"""
    scale: float = 1.0
    """what is measured is scale * value + offset"""
    offset: float = 0.0
    unit: str | None = None
    colour: str = "undefined"
    """GDAL's name of what the band shows, such as red, nir or gray"""

    @property
    def is_plain(self) -> bool:
        return not (self.tags or self.namespaces or self.unit) and (self.scale, self.offset) == (1.0, 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Metadata:
    """Of one image; absent parts are empty."""

    tags: Mapping[str, str] = field(default_factory=dict)
    """of the whole, by GDAL's names; TIFF's own begin with TIFFTAG_"""
    namespaces: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    bands: tuple[BandMetadata, ...] = ()
    """one for each carried band; () where nothing is known, or where the bands are made of a palette's colours"""
    is_premultiplied: bool = False
    """whether colours are multiplied by alpha"""
    has_mask: bool = False
    """whether opacity comes from a mask, by which a pixel is there or not, and not from a band"""
    embedded: Embedded = field(default_factory=Embedded)
    """EXIF, XMP, IPTC and the like, as they stand in the file"""

    @property
    def is_sidecar_worth(self) -> bool:
        """Whether there is what only GDAL can read beside a PNG, JPEG or WebP."""
        said = {text for _, text in self.embedded.texts}
        plain = (
            name.startswith(("TIFFTAG_", "EXIF_", "AREA_OR_POINT")) or text in said for name, text in self.tags.items()
        )
        return not all(plain) or bool(self.namespaces) or not all(band.is_plain for band in self.bands)

    @property
    def kinds(self) -> tuple[str, ...]:
        """What there is, in words, by which a format says what it leaves out."""
        found = self.embedded
        there = {
            "gamma and primaries": found.colour
            and any(name in (b"gAMA", b"cHRM", b"cICP") for name, _ in found.colour),
            "premultiplied alpha": self.is_premultiplied,
            "mask": self.has_mask,
        }
        return tuple(kind for kind, is_there in there.items() if is_there)


NOTHING = Metadata()


def metadata_of(embedded: Embedded) -> Metadata:
    """Of a file that GDAL does not read: what is embedded in it, and its words."""
    return Metadata(tags={} if embedded.exif is None else _kept(exif_tags(embedded.exif)), embedded=embedded)


def read_metadata(raster: Any, bands: Sequence[int], place: Place | None = None) -> Metadata:
    """Of an open rasterio dataset, ``bands`` of which are carried, counted from 1; ``place``: where it is."""
    has_palette = raster.colorinterp[bands[0] - 1] == ColorInterp.palette
    flags = raster.mask_flag_enums[0]
    embedded = read_embedded(raster, place)
    tags = raster.tags()
    if embedded.exif is not None:
        words = exif_tags(embedded.exif)
        has_them = any(name.startswith("EXIF_") for name in tags)
        tags = {name: text for name, text in words.items() if not (has_them and name.startswith("EXIF_"))} | tags
    return Metadata(
        tags=_kept(tags),
        namespaces=_namespaces(raster, 0),
        bands=() if has_palette else tuple(_read_band(raster, band) for band in bands),
        is_premultiplied=embedded.is_premultiplied and ColorInterp.alpha in raster.colorinterp,
        has_mask=MaskFlags.per_dataset in flags and MaskFlags.alpha not in flags and not has_palette,
        embedded=embedded,
    )


def _read_band(raster: Any, band: int) -> BandMetadata:
    colour = raster.colorinterp[band - 1]
    return BandMetadata(
        tags=_kept(raster.tags(band)),
        namespaces=_namespaces(raster, band),
        scale=raster.scales[band - 1],
        offset=raster.offsets[band - 1],
        unit=raster.units[band - 1] or None,
        # a band that says it is alpha and is carried is data
        colour="undefined" if colour in (ColorInterp.alpha, ColorInterp.palette) else colour.name,
    )


def _namespaces(raster: Any, band: int) -> dict[str, dict[str, str]]:
    names = [name for name in raster.tag_namespaces(band) if ":" not in name and name not in _OWN_WAY]
    found = {name: _kept(raster.tags(band, ns=name)) for name in names}
    return {name: tags for name, tags in found.items() if tags}


def _kept(tags: Mapping[str, str]) -> dict[str, str]:
    """Tags that are as true of the enlarged picture; a resolution without a unit is a ratio, which stays."""
    is_ratio = tags.get("TIFFTAG_RESOLUTIONUNIT", "2")[:1] == _UNITLESS
    return {
        name: value
        for name, value in tags.items()
        if not name.startswith(_PASSING)
        and not (name in _RESOLUTION and not is_ratio)
        and not (name.startswith("EXIF_") and name.upper().endswith(_OF_THE_GRID))
    }
