"""What an input may make GDAL read: itself and pictures beside it, unless the user trusts it (--trust-input)."""

from __future__ import annotations

import os
import re
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from storage.errors import ImageError
from storage.links import followed

from .gdal import open_raster
from .kinds import HDF5, RAW, SENTINEL2, VRT, drivers_for, head_of, is_vrt
from .names import MEMBER_DRIVERS
from .place import Place
from .safe import check_product
from .served import Served, registered
from .vrt import TRUST, check_side_text, named_sources, resolved

_PICTURES_BESIDE = (".msk", ".ovr", ".aux", ".rrd")
_TEXT_BESIDE = ".aux.xml"
_OVERVIEW = (".ovr", ".rrd")
_MOST_SOURCES = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """How an input may be opened."""

    place: Place
    drivers: tuple[str, ...] | None
    """None: all that do not use the network"""
    sources: tuple[Path, ...] = ()
    """of a VRT, and of those that it names, links followed"""
    served: Served | None = None
    """what gives the bytes instead of the file: a URL's, or those of a file without stray ones"""

    def open(self) -> tuple[Any, ExitStack]:
        """A rasterio dataset of the calling thread, and what closes it. Both are the thread's own."""
        place, stack = self.place, ExitStack()
        with ExitStack() as opening:
            if self.served is None:
                raster = open_raster(place.dataset, drivers=self.drivers, alone=place.alone)
            else:
                name = opening.enter_context(registered(self.served))
                raster = open_raster(f"{place.before}{name}{place.behind}", drivers=self.drivers, alone=True)
            opening.callback(raster.close)
            stack = opening.pop_all()
        return raster, stack


def ask(place: Place, *, trust: bool) -> Consent:
    """How the input at ``place`` may be opened. Raises ImageError, one line, where it asks for more than pictures.

    No byte of it has been shown to GDAL by then, and no file that it names was opened but to see what kind it is.
    """
    if trust:
        return Consent(place=place, drivers=None, served=place.remote)
    with place.open() as file:
        head = head_of(file)
    drivers = drivers_for(place.name, head)
    if not drivers:
        raise ImageError(f"{place.path} is no image that can be read: {_found(head)}; {_expected()}")
    if place.before:
        _check_member(place, drivers)
    if drivers == SENTINEL2:
        sources = check_product(place)
        walk = _Walk(top=place.file)
        for path in (*sources, place.file) if not place.kind else ():
            walk.check(path, drivers)
        return Consent(place=place, drivers=drivers, sources=sources)
    if place.alone:
        if drivers == VRT or drivers[0] in RAW:
            mend = "download them all" if place.remote is not None else "take it out of the archive"
            raise ImageError(f"{place.path} needs other files: {mend} first")
        return Consent(place=place, drivers=drivers, served=place.remote)
    walk = _Walk(top=place.file)
    walk.check(followed(place.file) if drivers == VRT else place.file, drivers)
    return Consent(place=place, drivers=drivers, sources=tuple(walk.sources))


def _expected() -> str:
    return f"expected PNG, JPEG, TIFF, JPEG 2000, WebP, or a VRT of such files called .vrt; convert it, {TRUST}"


def _check_member(place: Place, drivers: tuple[str, ...]) -> None:
    """Raise ImageError where a name of one image of many asks for another driver than the file's."""
    word = place.before.split(":", 1)[0].upper()
    if not set(MEMBER_DRIVERS[word]) & set(drivers):
        raise ImageError(
            f"{place.dataset}: {place.path} is read by {drivers[0]}, not as {word}; name it otherwise, {TRUST}"
        )


def _found(head: bytes) -> str:
    if head.startswith(HDF5):
        return "it is HDF5 (or netCDF-4), which may name other files for its values"
    if is_vrt(head):
        return "it is a VRT, a text that names other files, under another suffix"
    if head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith((b"<", b"{", b"[")):
        return "it is a text that tells what to read"
    return f"it begins with {head[:8]!r}"


@dataclass(slots=True, kw_only=True)
class _Walk:
    """Looks at all files that an input reads, once each."""

    top: Path
    sources: list[Path] = field(default_factory=list)
    _seen: set[Path] = field(default_factory=set)
    _folders: dict[Path, dict[str, list[Path]]] = field(default_factory=dict)

    def check(self, path: Path, drivers: tuple[str, ...]) -> None:
        """Raise ImageError where ``path``, or what it names, is not to be read; its sources are added to the list."""
        if drivers[0] in RAW and followed(path).parent != followed(path.parent):
            raise ImageError(f"{path} is a link to raw bytes in another folder: copy them there, {TRUST}")
        self._check_beside(path)
        if drivers != VRT:
            return
        root = followed(self.top).parent
        for named in named_sources(path.read_bytes(), str(path)):
            source = resolved(named, path)
            if not source.is_relative_to(root):
                raise ImageError(f"{path} names {named.text}, which is outside of {root}: copy it there, {TRUST}")
            if source in self._seen:
                continue
            self._seen.add(source)
            self.sources.append(source)
            if len(self.sources) > _MOST_SOURCES:
                raise ImageError(f"{self.top} names more than {_MOST_SOURCES} files; expected fewer: join some first")
            self.check(source, self._kind_of(source, path))

    def _kind_of(self, source: Path, vrt: Path) -> tuple[str, ...]:
        if source.exists() and not source.is_file():
            raise ImageError(f"{vrt} names {source}, which is no file: {_expected()}")
        try:
            with source.open("rb") as file:
                drivers = drivers_for(source, head_of(file))
        except OSError as error:
            raise ImageError(f"{vrt} names {source}, which cannot be read: {error.strerror}; put it there") from error
        if not drivers:
            raise ImageError(f"{vrt} names {source}, which is no picture of a known kind: {_expected()}")
        return drivers

    def _check_beside(self, path: Path) -> None:
        """Masks, overviews and statistics beside a picture: GDAL opens them as it opens anything."""
        for beside in self._listing(path.parent).get(path.stem.lower(), ()):
            if beside.name.lower() == path.name.lower():
                continue
            if not beside.is_file():
                raise ImageError(f"{beside}, beside {path.name}, is no file but a pipe or a device: remove it")
            if beside.name.lower().endswith(_TEXT_BESIDE):
                check_side_text(beside.read_bytes(), str(beside))
                continue
            with beside.open("rb") as file:
                head = head_of(file)
            if is_vrt(head) or drivers_for(Path(beside.stem), head) not in (("GTiff",), ("HFA",)):
                raise ImageError(f"{beside}, beside {path.name}, is no TIFF: remove it, {TRUST}")

    def _listing(self, folder: Path) -> dict[str, list[Path]]:
        """Files of a folder that may lie beside pictures, by each beginning of their names before a dot, lower case."""
        if folder not in self._folders:
            listing: dict[str, list[Path]] = {}
            for real in os.listdir(folder):
                name, path = real.lower(), os.path.join(folder, real)
                # a pipe would be waited for without end, whatever it is called
                counts = name.endswith((*_PICTURES_BESIDE, _TEXT_BESIDE)) or not os.path.isfile(path)
                if counts and os.path.exists(path) and not os.path.isdir(path):
                    for dot in re.finditer(r"\.", name):
                        listing.setdefault(name[: dot.start()], []).append(Path(path))
            self._folders[folder] = listing
        return self._folders[folder]


def files_behind(consent: Consent, raster: Any) -> tuple[str, ...]:
    """Every file whose content the pixels and facts of an open dataset hang on, absolute, the input first.

    GDAL names a dataset's files; those of a VRT's sources are asked for one by one, as deep as they go. Overviews are
    left out: nothing is read of them.
    """
    found, todo = {consent.place.path: None}, [consent.place.path]
    rasters, root = {consent.place.path: raster}, followed(consent.place.file).parent
    while todo:
        path = todo.pop()
        opened = rasters.pop(path, None)
        names = opened.files if opened is not None else _files_of(path, consent)
        for name in (os.path.abspath(name) for name in names if os.path.isfile(name)):
            if consent.sources and not followed(name).is_relative_to(root):
                raise ImageError(f"{path} reads {name}, which is outside of {root}: copy it there, {TRUST}")
            if name not in found and not name.lower().endswith(_OVERVIEW):
                found[name] = None
                todo.append(name)
    return tuple(found)


def _files_of(path: str, consent: Consent) -> list[str]:
    """Of a file that a dataset names: itself where it is a picture with more files to it, else none."""
    name = Path(path)
    if not consent.sources and consent.drivers is not None:
        return []
    with name.open("rb") as file:
        drivers = drivers_for(name, head_of(file))
    if not drivers:
        return []
    with open_raster(path, drivers=drivers) as raster:
        return list(raster.files)
