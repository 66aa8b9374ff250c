"""What a result is once it is written: bytes, by which a later command knows whether it is there as it was."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from storage.home import expand_home
from storage.links import followed

from .delivery import Delivery, address_of
from .folders import files_in, is_whole, parts
from .formats import format_of
from .identity import file_sha256


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """One result."""

    place: str
    """absolute path, links followed, or URL"""
    size: int
    """bytes"""
    sha256: str
    """of a file's bytes; of many files, of the list of theirs; in a store, of its tags of them"""


def name_of(output: str) -> str:
    """Where a result is, by the one name that it has."""
    address = address_of(output)
    return str(followed(expand_home(output)) if address is None else address)


def look(output: str) -> Written | None:
    """What is there, read whole, but in a store; None where the result or a part of it is not."""
    address = address_of(output)
    if address is not None:
        found = Delivery(address=address, wanted=format_of(Path(address.path))).look()
        return None if found is None else Written(place=str(address), size=found[0], sha256=found[1])
    path = Path(name_of(output))
    wanted = format_of(path)
    if not is_whole(path, wanted):
        return None
    files = [file for part in parts(path, wanted.beside) for file in files_in(part)]
    return Written(place=str(path), size=sum(file.stat().st_size for file in files), sha256=_digest(files, path))


def _digest(files: list[Path], path: Path) -> str:
    if files == [path]:
        return file_sha256(path)
    lines = (f"{file_sha256(file)} {file.relative_to(path.parent).as_posix()}" for file in files)
    return hashlib.sha256("\n".join(lines).encode("utf-8", "surrogateescape")).hexdigest()
