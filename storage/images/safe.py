"""Products of many files, Sentinel-2's: what their metadata (MTD_MSIL2A.xml) may make GDAL read.

GDAL joins the names of images in the metadata to the product's folder, adds .jp2 and opens what is there by any driver.
So the names stay in the folder, and what lies there as .jp2 is JPEG 2000.
"""

from __future__ import annotations

import os
import re
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from storage.errors import ImageError
from storage.links import followed

from .kinds import drivers_for, head_of
from .place import Place
from .vrt import TRUST, parsed

METADATA = re.compile(r"(MTD_MSIL(1B|1C|2A)|S2[A-Z]_\w+_MTD_SAF\w+)\.xml")
_NAMES = re.compile(r"image|file|identifier|granule|datastrip|tile", re.IGNORECASE)
_INSIDE = re.compile(r"[\w.:-]*(/[\w.:-]+)*")
_MOST_FILES = 100_000


def check_product(place: Place) -> tuple[Path, ...]:
    """The images of the product whose metadata lies at ``place``. Raises ImageError where they are not all its own.

    Of a product in an archive none are told: nothing outside can be named there.
    """
    if place.remote is not None or place.kind not in ("", "zip"):
        raise ImageError(f"{place.path} is a product of many files: expected it in a folder or a zip on this machine")
    sources = []
    for name in _files(place):
        suffix = PurePosixPath(name).suffix.lower()
        if suffix not in (".jp2", ".xml"):
            continue
        with _opened(place, name) as file:
            head = head_of(file)
            if suffix == ".xml":
                if b"_User_Product" in head or b"_Tile_ID" in head:
                    _check_names(file.read(), f"{place.path} ({name})")
            elif drivers_for(Path(name), head)[:1] != ("JP2OpenJPEG",):
                raise ImageError(
                    f"{name}, in the product of {place.path}, is no JPEG 2000: get the product again, {TRUST}"
                )
        if suffix == ".jp2" and not place.kind:
            sources.append(Path(name))
    return tuple(sources)


def _files(place: Place) -> Iterator[str]:
    """The product's files: whole paths in a folder, members' names in an archive."""
    if place.kind:
        folder = place.member.rpartition("/")[0]
        with zipfile.ZipFile(place.file) as archive:
            yield from (name for name in archive.namelist() if name.startswith(f"{folder}/" if folder else ""))
        return
    root, count = followed(place.file).parent, 0
    for folder, _, names in os.walk(place.file.parent):
        for name in names:
            path = os.path.join(folder, name)
            if not followed(path).is_relative_to(root):
                raise ImageError(f"{path} is a link out of the product's folder {root}: copy it there, {TRUST}")
            if not os.path.isfile(path):
                raise ImageError(f"{path} is a pipe or a device, or leads nowhere: remove it")
            count += 1
            if count > _MOST_FILES:
                raise ImageError(f"{root} holds more than {_MOST_FILES} files; expected a product's folder alone")
            yield path


@contextmanager
def _opened(place: Place, name: str) -> Iterator[BinaryIO]:
    found = replace(place, member=name) if place.kind else Place(path=name, file=Path(name))
    with found.open() as file:
        yield file


def _check_names(data: bytes, where: str) -> None:
    for element in parsed(data, where).iter():
        values = [element.text or ""] if _NAMES.search(element.tag.rpartition("}")[2]) and not len(element) else []
        values += [value for key, value in element.attrib.items() if _NAMES.search(key)]
        for value in values:
            if ".." in value.split("/") or not _INSIDE.fullmatch(value.strip()) or value.strip().startswith("/"):
                raise ImageError(
                    f"{where} names {value[:200]!r}, which is no file of the product: get it again, {TRUST}"
                )
