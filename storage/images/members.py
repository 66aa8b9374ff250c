"""Files that hold many images: which there are, under the names that can be given, in one line."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any, NoReturn

from storage.errors import ImageError

from .hierarchy import is_zarr
from .kinds import drivers_for, head_of
from .place import Place, archive_kind, find_place, members
from .safe import METADATA

_SHOWN = 12
_TEXTS = {".xml", ".html", ".txt", ".hdr", ".xsd", ".csv", ".json", ".pdf", ".md", ".htm", ".css", ".dbf", ".shp"}
_BESIDE = (".msk", ".ovr", ".aux", ".tfw", ".jgw", ".pgw", ".wld", ".prj", ".rrd")
_PICTURES = {".tif", ".tiff", ".png", ".jpg", ".jpeg", ".webp", ".jp2", ".j2k", ".gif", ".bmp", ".vrt", ".nc", ".img"}
"""endings that promise a picture"""


def refuse(what: str, mend: str, names: Sequence[str]) -> NoReturn:
    """Raise ImageError: what was found, and the names to choose from."""
    shown = ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
    raise ImageError(f"{what}; expected one image: {mend}{', one of: ' + shown if shown else ''}")


def check_one(place: Place, raster: Any) -> None:
    """Raise ImageError where an open dataset holds no pixels of its own, but datasets that do."""
    if raster.count > 0:
        return
    tags = raster.tags(ns="SUBDATASETS")
    names = [tags[key] for key in tags if key.endswith("_NAME")]
    refuse(f"{place.path} is a collection of {len(names)} images", "name the one to read", names)


def refuse_folder(folder: Path) -> Place:
    """The metadata of a product's folder, to be asked for its images; else raises ImageError that lists images."""
    found = [name for name in sorted(os.listdir(folder)) if METADATA.fullmatch(name)]
    if found:
        return find_place(str(folder / found[0]))
    images = (
        [str(path) for path in sorted(folder.rglob("*")) if _is_image(path)] if _is_product(folder) else _images(folder)
    )
    refuse(f"{folder} is a folder", "name the file in it", images)


def pictures_in(folder: Path) -> list[str] | None:
    """Files and Zarr folders directly in a folder that are pictures by their content; None for one that is a picture.

    What ends as pictures do and is none, such as an empty file, is among them: whoever opens it says what is wrong.
    """
    if is_zarr(folder) or _is_product(folder) or (folder / "info.json").is_file():
        return None
    if any(METADATA.fullmatch(name) for name in os.listdir(folder)):
        return None
    named = [str(path) for path in folder.iterdir() if path.suffix.lower() in _PICTURES and path.is_file()]
    return sorted({*_images(folder), *(name for name in named if not Path(name).name.startswith("."))})


def is_beside(name: str) -> bool:
    """Whether a file is one that belongs to a picture beside it, or speaks of it."""
    return Path(name).suffix.lower() in _TEXTS or name.lower().endswith(_BESIDE)


def _is_product(folder: Path) -> bool:
    return folder.suffix.upper() == ".SAFE" or (folder / "manifest.safe").is_file()


def _images(folder: Path) -> list[str]:
    with os.scandir(folder) as entries:
        return sorted(entry.path for entry in entries if _is_image(Path(entry.path)) or is_zarr(Path(entry.path)))


def _is_image(path: Path) -> bool:
    if path.suffix.lower() in _TEXTS or path.name.lower().endswith(_BESIDE) or not path.is_file():
        return False
    try:
        with path.open("rb") as file:
            return bool(drivers_for(path, head_of(file)))
    except OSError:
        return False


def open_archive(place: Place, head: bytes) -> Place:
    """The place itself, or the product in it; raises ImageError that lists the images of an archive."""
    kind = place.kind or archive_kind(place.file, head)
    if not kind or place.member or place.kind == "gzip":
        return place
    if kind == "gzip":
        refuse(f"{place.file} is compressed", "name the file to read in it", [f"/vsigzip/{place.file}"])
    there = members(place.file, kind)
    products = [name for name in there if METADATA.fullmatch(PurePosixPath(name).name)]
    if kind == "zip" and len(products) == 1:
        return find_place(f"/vsizip/{place.file}/{products[0]}")
    images = [name for name in there if _is_image_name(name)]
    names = [f"/vsi{kind}/{place.file}/{name}" for name in (products or images)]
    refuse(f"{place.file} is an archive of {len(there)} files", "name the file to read in it", names)


def _is_image_name(name: str) -> bool:
    """By its name alone: a member would have to be unpacked to be looked at."""
    suffix = PurePosixPath(name).suffix.lower()
    return suffix not in _TEXTS and not name.lower().endswith(_BESIDE) and suffix != ""
