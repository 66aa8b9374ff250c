"""Where an input lies: a file, a member of an archive (/vsizip/, /vsitar/, ...), or a URL; and which image of it."""

from __future__ import annotations

import gzip
import re
import tarfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, cast

from storage.errors import ImageError
from storage.home import expand_home

from .names import local_file, parse_name, remote_url
from .remote import Remote

_PREFIX = re.compile(r"/vsi(zip|tar|gzip)/")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One file, which may lie in an archive."""

    path: str
    """as GDAL is given it, absolute; of a URL as it may be shown"""
    file: Path
    """the file on the disk: the input, or its archive; of a URL its last part"""
    kind: str = ""
    """"" for a plain file, else zip, tar or gzip"""
    member: str = ""
    """its name in the archive"""
    remote: Remote | None = None
    """what reads it, for a URL"""
    before: str = ""
    """GDAL's words for one image of many in it: ``GTIFF_DIR:2:``"""
    behind: str = ""
    """and those behind its path"""

    @property
    def dataset(self) -> str:
        """What GDAL is given: the path, and which image of it."""
        return f"{self.before}{self.path}{self.behind}"

    @property
    def alone(self) -> bool:
        """Whether nothing beside it is read."""
        return bool(self.kind) or self.remote is not None

    @property
    def name(self) -> Path:
        """What its kind is told by: the name of the innermost file."""
        if self.kind == "gzip":
            return self.file.with_suffix("")
        return self.file / self.member if self.kind else self.file

    @contextmanager
    def open(self) -> Iterator[BinaryIO]:
        """Its bytes. Raises ImageError where the archive is damaged or has no such member."""
        if self.remote is not None:
            with self.remote.open() as file:
                yield file
            return
        if not self.kind:
            with self.file.open("rb") as file:
                yield file
            return
        try:
            with _member(self) as file:
                yield file
        except (zipfile.BadZipFile, tarfile.TarError, gzip.BadGzipFile, EOFError, NotImplementedError) as error:
            raise ImageError(f"{self.file} is a damaged archive: {error}; get it again") from error

    def beside(self) -> list[str]:
        """Members whose names go on from this one's: they are not read."""
        if self.kind == "zip":
            with zipfile.ZipFile(self.file) as archive:
                names = archive.namelist()
        elif self.kind == "tar":
            with tarfile.open(self.file) as archive:
                names = archive.getnames()
        else:
            return []
        stem = str(Path(self.member).with_suffix(""))
        return [name for name in names if name.removeprefix("./") != self.member and name.startswith(f"{stem}.")]


@contextmanager
def _member(place: Place) -> Iterator[BinaryIO]:
    if place.kind == "gzip":
        with gzip.open(place.file) as file:
            yield cast(BinaryIO, file)
    elif place.kind == "zip":
        with zipfile.ZipFile(place.file) as archive:
            if place.member not in archive.namelist():
                raise ImageError(_absent(place, archive.namelist()))
            with archive.open(place.member) as member:
                yield cast(BinaryIO, member)
    else:
        with tarfile.open(place.file) as archive:
            names = {name.removeprefix("./"): name for name in archive.getnames()}
            found = archive.extractfile(names[place.member]) if place.member in names else None
            if found is None:
                raise ImageError(_absent(place, [*names]))
            with found:
                yield cast(BinaryIO, found)


def _absent(place: Place, names: list[str]) -> str:
    shown = ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
    return f"{place.file} holds no {place.member or 'file that is named'}: expected one of {shown or 'nothing'}"


def find_place(given: str) -> Place:
    """Where an input is that the user named. Raises FileNotFoundError or ImageError, one line each.

    An archive is named as GDAL does it: /vsizip/PATH/inside, PATH absolute (with a second slash) or not.
    """
    name = parse_name(given)
    place = _file_place(name.file, given)
    return replace(place, before=name.before, behind=name.behind) if name.before else place


def _file_place(given: str, whole: str) -> Place:
    url = remote_url(given)
    if url is not None:
        remote = Remote(url)
        return Place(path=remote.url, file=Path(remote.name), remote=remote)
    match = _PREFIX.match(given)
    if match is None:
        where = _absolute(local_file(given))
        return Place(path=str(where), file=where)
    kind, rest = match[1], _braced(given[match.end() :])
    if rest.startswith(("/vsi", "vsi", "{")) or "://" in rest:
        raise ImageError(f"{given}: expected a local archive and a file in it, such as /vsi{kind}/PATH/scene.tif")
    parts = Path(rest).parts
    for count in range(1, len(parts) + 1):
        file = _absolute(str(Path(*parts[:count])))
        if not file.is_dir():
            break
    else:
        raise ImageError(f"{given}: {rest or 'nothing'} is no archive: expected /vsi{kind}/PATH/scene.tif")
    if not file.is_file():
        raise FileNotFoundError(f"no file {file}; expected an archive, in which {whole} is")
    member = "/".join(parts[count:])
    if ".." in parts[count:] or ((kind == "gzip") and member):
        raise ImageError(f"{given}: expected {'nothing' if kind == 'gzip' else 'the file to read'} behind {file}")
    return Place(path=f"/vsi{kind}/{file}{'/' * bool(member)}{member}", file=file, kind=kind, member=member)


def _braced(rest: str) -> str:
    """GDAL takes an archive's name in braces, too."""
    found = re.fullmatch(r"\{([^{}]+)\}(.*)", rest)
    return found[1] + found[2] if found else rest


def archive_kind(file: Path, head: bytes) -> str:
    """Which of the prefixes reads an archive that was named without one; "" for what is none.

    >>> archive_kind(Path("scene.zip"), b"PK\\x03\\x04"), archive_kind(Path("scene.tar.gz"), b"\\x1f\\x8b")
    ('zip', 'tar')
    """
    if head.startswith(b"PK\x03\x04"):
        return "zip"
    name = file.name.lower()
    if name.endswith((".tar.gz", ".tgz")) or head[257:262] == b"ustar":
        return "tar"
    return "gzip" if head.startswith(b"\x1f\x8b") else ""


def members(file: Path, kind: str) -> list[str]:
    """The files in a local archive, sorted. Raises ImageError where it is damaged."""
    try:
        if kind == "zip":
            with zipfile.ZipFile(file) as archive:
                return sorted(name for name in archive.namelist() if not name.endswith("/"))
        with tarfile.open(file) as tape:
            return sorted(one.name.removeprefix("./") for one in tape.getmembers() if one.isfile())
    except (zipfile.BadZipFile, tarfile.TarError, gzip.BadGzipFile, EOFError, NotImplementedError) as error:
        raise ImageError(f"{file} is a damaged archive: {error}; get it again") from error


def _absolute(given: str) -> Path:
    return expand_home(given).absolute()
