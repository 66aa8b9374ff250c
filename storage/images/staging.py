"""A file that is made in a folder of its own beside its final name, and gets that name in one step when finished.

So does a folder; see folders.py for one that takes the place of another.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import shutil
import socket
import stat
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import psutil

from storage.errors import FULL

from .folders import ASIDE, files_in, parts, put_back, take_place
from .target import SIDECARS, stale_files

_GROWTH = 1 << 20
_PRIVATE = 0o700
_NUM_FLUSHED = 8


@contextmanager
def staged(target: Path, *, spare: Collection[str] = (), beside: str = "") -> Iterator[Path]:
    """Give a name to write to; rename it (and the sidecars beside it) to ``target`` at the end, remove it on an error.

    ``target`` is no link. The name lies in a new folder beside it: made, not found, and closed to others, so that
    nobody can put a link where something is to be written, and names of any length have room. What a killed process of
    this machine left for the same target is removed first, and files that tell of an older picture of that name at the
    end, but those of ``spare``. What is made may be a folder, and have another one ``beside`` it: see Format.
    """
    with private_folder(target) as folder:
        staging = folder / f"picture{target.suffix}"
        yield staging
        sidecars = {ending: staging.with_name(staging.name + ending) for ending in SIDECARS}
        written = {ending: path for ending, path in sidecars.items() if path.exists()}
        for path in (*parts(staging, beside), *written.values()):
            _flush(path)
        for path in stale_files(target, spare):
            path.unlink(missing_ok=True)
        take_place(staging, target, folder / ASIDE, beside)
        for ending, path in written.items():
            path.replace(target.with_name(target.name + ending))


@contextmanager
def private_folder(target: Path) -> Iterator[Path]:
    """A new folder beside ``target``, closed to others, which is removed at the end with all that is in it then.

    What a killed process of this machine left for the same target is removed first.
    """
    prefix = prefix_of(target)
    _sweep(target, prefix)
    folder = target.with_name(f"{prefix}-{os.getpid()}-{secrets.token_hex(8)}.partial")
    folder.mkdir(mode=_PRIVATE)
    try:
        yield folder
    finally:
        put_back(folder / ASIDE, target)
        shutil.rmtree(folder, ignore_errors=True)


def no_room(staging: Path) -> OSError | None:
    """The system's error where the unfinished files of ``staging`` cannot grow any more; None where they can.

    GDAL does not say why a write has failed, so this tries one. The files are good for nothing afterwards.
    """
    there = [path for path in staging.parent.iterdir() if path.is_file()]
    for path in [*there, staging / "room" if staging.is_dir() else staging]:
        try:
            with path.open("ab") as file:
                file.write(bytes(_GROWTH))
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            if error.errno in FULL:
                return error
    return None


def prefix_of(target: Path) -> str:
    """What folders beside one target begin with, on one machine: short, however long its name is."""
    host = re.sub(r"[^A-Za-z0-9]", "_", socket.gethostname())[:32]
    return f".gigatile-{hashlib.sha256(os.fsencode(target.name)).hexdigest()[:12]}-{host}"


def _sweep(target: Path, prefix: str) -> None:
    """Remove our own folders of processes that are gone; what others put there by such a name stays.

    A picture that such a process had moved out of the way, and replaced by nothing, goes back to its place.
    """
    pattern = re.compile(rf"{re.escape(prefix)}-(\d+)-[0-9a-f]{{16}}\.partial")
    for path in target.parent.iterdir():
        match = pattern.fullmatch(path.name)
        if match and not psutil.pid_exists(int(match[1])):
            facts = path.lstat()
            if stat.S_ISDIR(facts.st_mode) and facts.st_uid == os.geteuid():
                put_back(path / ASIDE, target)
                shutil.rmtree(path, ignore_errors=True)


def _flush(path: Path) -> None:
    """Have the disk keep a file, or all files of a folder, several at a time."""
    with ThreadPoolExecutor(_NUM_FLUSHED) as pool:
        for _ in pool.map(_flush_file, files_in(path)):
            pass


def _flush_file(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
