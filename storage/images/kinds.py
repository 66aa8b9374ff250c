"""Which of GDAL's drivers may read a file: those that its first bytes or its suffix ask for, and no others.

GDAL chooses by content whatever the name, among 155 drivers; some of them fetch URLs, read other files as raw bytes or
join files that the first one names. So a file is looked at before GDAL is, and only drivers that read the file itself
(and what lies beside it under its name) are let at it. Others are for those who trust a file: see consent.py.
"""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

HEAD_BYTES = 4096
"""bytes at the start of a file that its kind is told by"""

VRT = ("VRT",)
RAW = ("ENVI", "EHdr")
_MAGIC: tuple[tuple[bytes, tuple[str, ...]], ...] = (
    (b"II*\0", ("GTiff",)),
    (b"MM\0*", ("GTiff",)),
    (b"II+\0", ("GTiff",)),
    (b"MM\0+", ("GTiff",)),
    (b"\x89PNG\r\n\x1a\n", ("PNG",)),
    (b"\xff\xd8\xff", ("JPEG",)),
    (b"\0\0\0\x0cjP  ", ("JP2OpenJPEG", "JP2KAK", "JP2ECW", "JP2MrSID", "JP2Lura")),
    (b"\xff\x4f\xff\x51", ("JP2OpenJPEG", "JP2KAK", "JP2ECW", "JP2MrSID", "JP2Lura")),
    (b"GIF87a", ("GIF", "BIGGIF")),
    (b"GIF89a", ("GIF", "BIGGIF")),
    (b"BM", ("BMP",)),
    (b"EHFA_HEADER_TAG", ("HFA",)),
    (b"NITF", ("NITF",)),
    (b"NSIF", ("NITF",)),
    (b"GRIB", ("GRIB",)),
    (b"P4", ("PNM",)),
    (b"P5", ("PNM",)),
    (b"P6", ("PNM",)),
    (b"\x01\xda", ("SGI",)),
    (b"\x59\xa6\x6a\x95", ("SUN",)),
    (b"/* XPM", ("XPM",)),
    (b"UHL1", ("DTED",)),
    (b"VOL1", ("DTED",)),
    (b"CDF\x01", ("netCDF",)),
    (b"CDF\x02", ("netCDF",)),
    (b"CDF\x05", ("netCDF",)),
)
HDF5 = b"\x89HDF\r\n\x1a\n"
"""begins HDF5 and netCDF-4 files, which may name other files for their values: they are for those who trust them"""
SENTINEL2 = ("SENTINEL2",)
_BY_SUFFIX = {
    ".tga": ("TGA",),
    ".asc": ("AAIGrid", "GRASSASCIIGrid"),
    ".hgt": ("SRTMHGT",),
    ".dem": ("USGSDEM",),
    ".grd": ("GSBG", "GS7BG", "GSAG"),
    ".kap": ("BSB",),
    ".cal": ("CALS",),
    ".rsw": ("RMF",),
    ".mtw": ("RMF",),
}


def head_of(file: BinaryIO) -> bytes:
    """The first bytes of an open file, which is wound back."""
    file.seek(0)
    head = file.read(HEAD_BYTES)
    file.seek(0)
    return head


def is_vrt(head: bytes) -> bool:
    """Whether GDAL might take a file for a VRT: a text that builds a picture of other files."""
    return b"<vrtdataset" in head.lower()


def drivers_for(path: Path, head: bytes) -> tuple[str, ...]:
    """The drivers that may read the file ``path``, which begins with ``head``; empty where it is of no kind known here.

    A VRT is one by its suffix and its content: pictures of other files do not come under a picture's name.

    >>> drivers_for(Path("scene.tif"), b"II*" + bytes(9))
    ('GTiff',)
    >>> drivers_for(Path("scene.tif"), b"<VRTDataset/>"), drivers_for(Path("scene.vrt"), b"<VRTDataset/>")
    ((), ('VRT',))
    """
    suffix = path.suffix.lower()
    if is_vrt(head):
        return VRT if suffix == ".vrt" else ()
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return ("WEBP",)
    for magic, drivers in _MAGIC:
        if head.startswith(magic):
            return drivers
    if suffix == ".xml" and b"_User_Product" in head:
        return SENTINEL2
    if suffix in _BY_SUFFIX:
        return _BY_SUFFIX[suffix]
    return _raw(path)


def _raw(path: Path) -> tuple[str, ...]:
    """ENVI or EHdr, where the header that they need lies beside the file under its name."""
    for header in (path.with_suffix(".hdr"), path.with_suffix(".HDR"), path.with_name(f"{path.name}.hdr")):
        if header != path and header.is_file():
            with header.open("rb") as file:
                return ("ENVI",) if file.read(4) == b"ENVI" else ("EHdr",)
    return ()
