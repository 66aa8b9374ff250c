"""The file that an output's name means, what may lie beside it, and what it must not be."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable
from pathlib import Path

from storage.home import expand_home
from storage.objects.address import Address

SIDECAR = ".aux.xml"
STAC = ".stac.json"
SIDECARS = (SIDECAR, STAC)
"""endings, after the whole name, of files that are written with a picture"""
_OF_THE_NAME = (*SIDECARS, ".ovr", ".msk", ".msk.ovr", ".OVR", ".MSK", ".ovr.ovr")
"""endings of files that belong to one picture, after its whole name"""
_OF_THE_STEM = {
    ".tif": (".tfw", ".tifw", ".tiffw", ".TFW"),
    ".tiff": (".tfw", ".tifw", ".tiffw", ".TFW"),
    ".png": (".pgw", ".pngw", ".PGW"),
    ".jpg": (".jgw", ".jpgw", ".jpegw", ".JGW"),
    ".jpeg": (".jgw", ".jpgw", ".jpegw", ".JGW"),
}
"""those that belong to a picture of one format, in place of its suffix"""
_ROOM_BESIDE = max(map(len, SIDECARS))
_NAME_MAX = 255


def real_target(path: str | os.PathLike[str]) -> Path:
    """The file that would be written: a link is followed, also where it leads to nothing yet.

    Raises OSError for links that lead to each other, ValueError for a name that is too long for its folder, or
    whose sidecar's would be.
    """
    given = expand_home(path).absolute()
    target = Path(os.path.realpath(given))
    room = _name_max(target.parent) - _ROOM_BESIDE
    if len(os.fsencode(target.name)) > room:
        raise ValueError(
            f"cannot write {target}: its name has {len(os.fsencode(target.name))} bytes, and {target.parent} takes "
            f"{room} beside those of a sidecar; choose a shorter one"
        )
    if target.is_symlink():
        raise OSError(f"cannot write {given}: its links lead round in a circle; remove them")
    return target


def _name_max(folder: Path) -> int:
    try:
        return os.pathconf(folder, "PC_NAME_MAX")
    except (OSError, ValueError, AttributeError):
        return _NAME_MAX


def stale_files(target: Path, spare: Collection[str] = ()) -> list[Path]:
    """Files beside ``target`` that readers would take for its own, but those of ``spare``: masks, overviews, ..."""
    names = [f"{target.name}{ending}" for ending in _OF_THE_NAME]
    names += [f"{target.stem}{ending}" for ending in _OF_THE_STEM.get(target.suffix.lower(), ())]
    there = (target.with_name(name) for name in dict.fromkeys(names))
    return [path for path in there if path.is_file() and not _is_any(path, spare)]


def check_apart(target: str | os.PathLike[str], inputs: Iterable[str | os.PathLike[str] | None]) -> None:
    """Raise ValueError where ``target`` is one of the files that a command reads, or lies in a folder that it reads.

    However it is named: links, hard links, ``..``, other letters on a disk that does not tell them apart. Inputs that
    are None, in a store or not there are passed over. Side files that are to be written count as the target does.
    """
    final = Path(os.path.realpath(expand_home(target)))
    for given in inputs:
        source = _local(given)
        if source is None or not source.exists():
            continue
        for path in (final, *(final.with_name(final.name + ending) for ending in SIDECARS)):
            if path.exists() and os.path.samefile(path, source):
                raise ValueError(
                    f"OUTPUT {target} is {source}, which this command reads: it would be replaced; choose another name"
                )
        if final.is_dir() and final in Path(os.path.realpath(source)).parents:
            raise ValueError(
                f"OUTPUT {target} holds {source}, which this command reads: it would be replaced; choose another name"
            )
        if source.is_dir() and final.exists() and Path(os.path.realpath(source)) in final.parents:
            raise ValueError(
                f"OUTPUT {target} is a file in {source}, which this command reads: it would be replaced; choose another"
            )


def _local(given: str | os.PathLike[str] | None) -> Path | None:
    """The file or folder that an input is; None for a URL of a store, in which no picture is written."""
    if given is None:
        return None
    if str(given).lower().startswith("file://"):
        return Address.parse(given).folder
    return expand_home(given)


def _is_any(path: Path, others: Collection[str]) -> bool:
    return any(os.path.exists(other) and os.path.samefile(path, other) for other in others)
