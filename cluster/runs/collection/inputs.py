"""Which pictures INPUT means: files, patterns, folders; and whether a command is of one picture or of many."""

from __future__ import annotations

import fnmatch
import glob
import logging
import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from cluster.collection import Collection
from storage.home import expand_home
from storage.images.delivery import address_of
from storage.images.formats import WRITERS
from storage.images.hierarchy import is_zarr
from storage.images.members import is_beside, pictures_in
from storage.objects.address import Address
from storage.objects.root import ObjectRoot

from .items import is_stac, pictures_of

log = logging.getLogger(__name__)

_SHOWN = 3


def is_many(job: Collection) -> bool:
    """Whether OUTPUT is a folder of pictures, and not the one picture that INPUT, or its bands, become.

    Raises ValueError for options of many pictures where there is one.
    """
    if _is_folder(job):
        return True
    for name, is_given in (("--list", job.list_file is not None), ("--retry-failed", job.retry_failed)):
        if is_given:
            raise ValueError(
                f"{name} is for many pictures: expected OUTPUT, a folder, such as results/; got {job.output}"
            )
    return False


def _is_folder(job: Collection) -> bool:
    name = Path(job.output).name.lower()
    if any(name.endswith(f".{suffix}") for suffix in WRITERS.names()):
        return False
    if job.is_folder or (address_of(job.output) is None and os.path.isdir(expand_home(job.output))):
        return True
    is_named = not Path(name).suffix
    return is_named and (job.list_file is not None or len(job.inputs) > 1 or any(map(_is_several, job.inputs)))


def _is_several(name: str) -> bool:
    return is_pattern(name) or is_stac(name) or (os.path.isdir(name) and pictures_in(Path(name)) is not None)


def is_pattern(name: str) -> bool:
    """Whether a name has signs of a pattern, and is not that of a file all the same."""
    return any(sign in name for sign in "*?[") and not name.startswith("/vsi") and not os.path.lexists(name)


def expand(names: tuple[str, ...], *, trust: bool = False) -> list[str]:
    """All pictures that are named, in order, each once. Raises ValueError where a pattern or a folder holds none.

    ``trust``: see items.pictures_of.
    """
    found = [picture for name in names for picture in _expanded(name, trust)]
    return list(dict.fromkeys(found))


def _expanded(name: str, trust: bool) -> list[str]:
    if is_stac(name):
        pictures = pictures_of(name, trust=trust)
        if not pictures:
            raise ValueError(f"{name}: has no item with a picture; expected a STAC catalogue, collection or item")
        return pictures
    if is_pattern(name):
        matches = sorted(_in_store(name) if "://" in name else _on_disk(name))
        if not matches:
            raise ValueError(f"{name}: no file is called so; expected a pattern such as 'scans/*.tif', in quotes")
        return matches
    if "://" not in name and os.path.isdir(name):
        return _in_folder(Path(name))
    return [name]


def _on_disk(pattern: str) -> Iterator[str]:
    for name in glob.glob(str(expand_home(pattern)), recursive=True):
        path = Path(name)
        if (path.is_file() and not is_beside(name)) or (path.is_dir() and is_zarr(path)):
            yield name


def _in_store(pattern: str) -> Iterator[str]:
    """Keys of a store, below the last folder without a sign."""
    parts = pattern.split("/")
    first = next(number for number, part in enumerate(parts) if any(sign in part for sign in "*?["))
    if first < 3:
        raise ValueError(f"{pattern}: expected a pattern below a bucket, such as s3://bucket/scans/*.tif")
    folder, rest = "/".join(parts[:first]), "/".join(parts[first:])
    root = ObjectRoot.open(Address.parse(folder), create=False)
    for key in root.list(""):
        same_depth = key.count("/") == rest.count("/") or "**" in rest
        if same_depth and fnmatch.fnmatchcase(key, rest) and not is_beside(key):
            yield f"{folder}/{key}"


def _in_folder(folder: Path) -> list[str]:
    """The pictures directly in a folder; what is left out is told."""
    found = pictures_in(folder)
    if found is None:
        return [str(folder)]
    taken = {PurePosixPath(name).name for name in found}
    left = sorted(
        entry.name
        for entry in os.scandir(folder)
        if entry.name not in taken and not entry.name.startswith(".") and not is_beside(entry.name)
    )
    if left:
        more = f" and {len(left) - _SHOWN} more" if len(left) > _SHOWN else ""
        log.warning("%s: left out, as no pictures: %s%s", folder, ", ".join(left[:_SHOWN]), more)
    if not found:
        raise ValueError(f"{folder}: holds no picture; expected a folder of pictures, or a pattern such as '**/*.tif'")
    return found
