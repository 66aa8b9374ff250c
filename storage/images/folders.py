"""Results that are folders: what may be replaced by one, and how one takes its place.

A file is renamed over another in one step; a folder is not. So an older one is moved aside first, and is put back where
the new one could not take its place, at once or by whoever comes next.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from .limits import Format

ASIDE = "older"
"""what was moved out of the way, in the folder of what replaces it"""


def parts(path: Path, beside: str = "") -> list[Path]:
    """All that has to be there for a result to be there, what names the others last; ``beside`` as Format has it.

    >>> [part.name for part in parts(Path("a.dzi"), "_files")], [part.name for part in parts(Path("a.iiif"))]
    (['a_files', 'a.dzi'], ['a.iiif'])
    """
    return [path.with_name(f"{path.stem}{beside}"), path] if beside else [path]


def is_whole(path: Path, wanted: Format) -> bool:
    """Whether a result of the format is at ``path``, with what belongs to it."""
    *folders, last = parts(path, wanted.beside)
    if wanted.is_folder:
        return (last / wanted.marker).is_file()
    return last.is_file() and all(folder.is_dir() for folder in folders)


def check_replaceable(target: Path, wanted: Format) -> None:
    """Raise OSError where something else than a result of the format lies in its place: it is never removed."""
    if wanted.is_folder:
        if target.exists() and not target.is_dir():
            raise NotADirectoryError(
                f"cannot write {target}: it is a file, and {wanted.driver} is a folder; choose another name"
            )
        if target.is_dir() and _is_other(target, wanted.marker):
            raise IsADirectoryError(
                f"cannot write {target}: it is a folder with other things in it, and no {wanted.marker} as "
                f"{wanted.driver} has; choose another name"
            )
        return
    if target.is_dir():
        raise IsADirectoryError(f"cannot write {target}: it is a folder; name a file in it")
    folder = parts(target, wanted.beside)[0]
    if wanted.beside and not target.exists() and _is_taken(folder):
        raise FileExistsError(
            f"cannot write {target}: {folder} is there, which it needs for itself; remove it, or choose another name"
        )


def _is_taken(folder: Path) -> bool:
    return any(folder.iterdir()) if folder.is_dir() else folder.exists()


def _is_other(folder: Path, marker: str) -> bool:
    return not (folder / marker).is_file() and any(folder.iterdir())


def take_place(made: Path, target: Path, aside: Path, beside: str = "") -> None:
    """Give the finished result ``made`` the name ``target``; what was there goes to the folder ``aside``.

    What names the others goes first and comes last: at no time does it tell of what is not there.
    """
    for path in reversed(parts(target, beside)):
        if path.is_dir() or (beside and path.exists()):
            aside.mkdir(exist_ok=True)
            path.rename(aside / path.name)
    for new, path in zip(parts(made, beside), parts(target, beside), strict=True):
        new.replace(path)


def put_back(aside: Path, target: Path) -> None:
    """Undo the first half of take_place, where the second one never was; does nothing where it was, or nothing was."""
    if not aside.is_dir() or target.exists():
        return
    for path in sorted(aside.iterdir(), key=lambda one: one.name == target.name):
        place = target.with_name(path.name)
        if place.exists():
            place.rename(aside / f"{path.name}.new")
        path.rename(place)


def files_in(path: Path) -> Iterator[Path]:
    """The file itself, or all files in a folder, in the order of their names."""
    if not path.is_dir():
        yield path
        return
    for parent, folders, names in os.walk(path):
        folders.sort()
        yield from (Path(parent) / name for name in sorted(names))
