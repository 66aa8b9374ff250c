"""How inputs are named: as GDAL names them, and as people do; what of a name is the file, and what is said around it.

scene.tif    ~/scene.tif    file:///data/scene.tif
s3://bucket/scene.tif    gs://...    az://...    https://host/scene.tif    /vsis3/bucket/scene.tif    /vsicurl/URL
/vsizip/PATH/inside    /vsitar/PATH/inside    /vsigzip/PATH
GTIFF_DIR:2:scan.tif    NETCDF:"month.nc":rain    SENTINEL2_L2A:MTD_MSIL2A.xml:10m:EPSG_32632    ...
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from storage.errors import ImageError
from storage.objects.address import Address

_REMOTE = re.compile(r"(s3|gs|az|abfss?|https?)://", re.IGNORECASE)
_GDAL_STORES = {"/vsis3/": "s3://", "/vsigs/": "gs://", "/vsiaz/": "az://", "/vsicurl/": ""}
_STREAMING = re.compile(r"^(/vsi(?:s3|gs|az|curl))_streaming/")
_NO_FILE = re.compile(r"/vsi(?!zip/|tar/|gzip/)\w+[/?]")
_PREFIX = re.compile(r"([A-Za-z][A-Za-z0-9_]+):")
MEMBER_DRIVERS = {
    "GTIFF_DIR": ("GTiff",),
    "NETCDF": ("netCDF",),
    "HDF5": ("HDF5Image", "HDF5"),
    "NITF_IM": ("NITF",),
    "SENTINEL2_L1B": ("SENTINEL2",),
    "SENTINEL2_L1C": ("SENTINEL2",),
    "SENTINEL2_L1C_TILE": ("SENTINEL2",),
    "SENTINEL2_L2A": ("SENTINEL2",),
    "SENTINEL1_CALIB": ("SAFE",),
    "HDF4_SDS": ("HDF4Image",),
    "HDF4_EOS": ("HDF4Image",),
    "BAG": ("BAG",),
    "S102": ("S102",),
    "GPKG": ("GPKG",),
    "ZARR": ("Zarr",),
    "RASTERLITE": ("Rasterlite",),
    "PDF": ("PDF",),
    "RPFTOC": ("RPFTOC",),
}
"""words before a colon with which GDAL names one image of a file that holds many: the drivers that read it"""
_NUMBERED = ("GTIFF_DIR", "NITF_IM", "PDF")
_KIND_FIRST = ("SENTINEL1_CALIB", "HDF4_EOS", "HDF4_SDS")


@dataclass(frozen=True, slots=True, kw_only=True)
class Name:
    """A name in three parts, which joined are what GDAL is given."""

    before: str = ""
    """such as ``GTIFF_DIR:2:``; "" for a file that is one image"""
    file: str
    behind: str = ""

    @property
    def drivers(self) -> tuple[str, ...] | None:
        """Those that read one image of many; None for a file that is one."""
        return MEMBER_DRIVERS[self.before.split(":", 1)[0].upper()] if self.before else None


def parse_name(given: str) -> Name:
    """A name as the user wrote it, in its parts. Raises ImageError, one line, for one that means no file.

    >>> parse_name("GTIFF_DIR:2:scan.tif")
    Name(before='GTIFF_DIR:2:', file='scan.tif', behind='')
    >>> parse_name('NETCDF:"a b.nc":rain')
    Name(before='NETCDF:"', file='a b.nc', behind='":rain')
    >>> parse_name("SENTINEL2_L2A:x.SAFE/MTD_MSIL2A.xml:10m:EPSG_32632").behind
    ':10m:EPSG_32632'
    >>> parse_name("B04:red.tif").file
    'B04:red.tif'
    """
    found = _PREFIX.match(given)
    word = found[1].upper() if found else ""
    if found is None or word not in MEMBER_DRIVERS or Path(given).exists():
        return Name(file=given)
    before, rest = given[: found.end()], given[found.end() :]
    if word in _NUMBERED:
        number = re.match(r"(off:)?\d+:", rest)
        if number is None:
            raise ImageError(f"{given}: expected a number and a file behind {before} such as {before}2:scan.tif")
        return Name(before=before + number[0], file=_whole(given, rest[number.end() :]))
    if word in _KIND_FIRST:
        kind, _, rest = rest.partition(":")
        before = f"{before}{kind}:"
    if rest.startswith('"'):
        file, quote, behind = rest[1:].partition('"')
        if not quote:
            raise ImageError(f'{given}: a " opens and none closes; write {before}"FILE":NAME')
        return Name(before=f'{before}"', file=_whole(given, file), behind=f'"{behind}')
    file, behind = _cut(rest)
    return Name(before=before, file=_whole(given, file), behind=behind)


def _whole(given: str, file: str) -> str:
    if not file:
        raise ImageError(f"{given}: no file is named in it")
    return file


def _cut(rest: str) -> tuple[str, str]:
    """The file and what is said behind it: the longest beginning, up to a colon, that is there; else the shortest."""
    ends = [found.start() for found in re.finditer(":", rest) if not rest.startswith("://", found.start())]
    for end in [len(rest), *reversed(ends)]:
        if Path(rest[:end]).exists():
            return rest[:end], rest[end:]
    end = ends[0] if ends else len(rest)
    return rest[:end], rest[end:]


def remote_url(file: str) -> str | None:
    """The URL of a file in a store or on the web, however it is named; None for one on this machine.

    >>> remote_url("/vsis3/bucket/a.tif"), remote_url("/vsicurl/https://host/a.tif"), remote_url("a.tif")
    ('s3://bucket/a.tif', 'https://host/a.tif', None)
    """
    plain = _STREAMING.sub(r"\1/", file)
    for prefix, scheme in _GDAL_STORES.items():
        if plain.startswith(prefix):
            url = scheme + plain[len(prefix) :]
            if not _REMOTE.match(url):
                raise ImageError(f"{prefix} is followed by no http:// or https:// URL: write the URL itself")
            return url
    if _REMOTE.match(file):
        return file
    if _NO_FILE.match(file):
        raise ImageError(
            f"{file.split('?')[0]}: expected a file, a URL (s3://, gs://, az://, https://), or a file in a local "
            "archive (/vsizip/, /vsitar/, /vsigzip/)"
        )
    return None


def local_file(file: str) -> str:
    """A name on this machine without ``file://``. Raises ImageError for a URL of another machine's file."""
    if not file.lower().startswith("file:/"):
        return file
    try:
        return Address.parse(file).path
    except ValueError as error:
        raise ImageError(str(error).replace("folder/of/the/run", "data/scene.tif")) from error
