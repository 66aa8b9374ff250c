"""Rows of a result that an interrupted writing has left, so that the next one goes on from there.

They lie in a folder beside the target, which other writings of the same result find by its name: a raster, and a list
that has a line for each portion of its rows, added when the disk holds them. Portions count up to the first that does
not read back as it was written.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shutil
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import numpy as np

from storage.box import Box

Tell = Callable[[Box, np.ndarray], None]
"""told of rows ``[bands, y, x]`` that need not be made again"""

LIST, RASTER = "rows.jsonl", "rows.tif"
_ENDING = "rows"
PORTION = 2048
"""rows that the disk is made to hold at once"""


@dataclass(slots=True, kw_only=True, eq=False)
class KeptRows:
    """What is there of one result, and the right to go on with it."""

    folder: Path
    portion: int
    """rows that the disk is made to hold at once"""
    tell: Tell
    portions: list[tuple[int, int]] = field(default_factory=list)
    """the row behind each, and the checksum of its values: see tiff.value_sum"""

    @property
    def raster(self) -> Path:
        """The unfinished file."""
        return self.folder / RASTER

    @property
    def bottom(self) -> int:
        """How many rows are there."""
        return self.portions[-1][0] if self.portions else 0

    def spans(self) -> Iterator[tuple[int, int, int]]:
        """First row, row behind the last and checksum of each portion."""
        top = 0
        for bottom, total in self.portions:
            yield top, bottom, total
            top = bottom

    def add(self, bottom: int, total: int) -> None:
        """Rows up to ``bottom`` are in the raster, which is closed; nothing counts before the disk holds it."""
        with self.raster.open("rb") as file:
            os.fsync(file.fileno())
        with (self.folder / LIST).open("ab") as file:
            file.write(json.dumps([bottom, total]).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        self.portions.append((bottom, total))

    def keep(self, count: int) -> None:
        """Forget all but the first portions."""
        del self.portions[count:]
        lines = "".join(f"{json.dumps(portion)}\n" for portion in self.portions)
        with (self.folder / LIST).open("r+b") as file:  # the same file: it is locked
            file.truncate(0)
            file.write(lines.encode())


def key_of(*facts: object) -> str:
    """What a folder is called after: facts that decide every byte of the result."""
    return hashlib.sha256(repr(facts).encode()).hexdigest()[:16]


@contextmanager
def keeping(parent: Path, prefix: str, key: str, portion: int, tell: Tell) -> Iterator[KeptRows | None]:
    """What is there of a result, in a folder of ``parent``; it stays on an error where it holds rows, else goes.

    Left by other results of the same ``prefix``, and by nobody who is still at work, it goes too. None where somebody
    else is at work on this one.
    """
    folder = parent / f"{prefix}-{key}.{_ENDING}"
    _sweep(parent, prefix, folder)
    folder.mkdir(mode=0o700, exist_ok=True)
    with _locked(folder) as file:
        if file is None:
            yield None
            return
        kept = KeptRows(folder=folder, portion=portion, tell=tell, portions=_read(file))
        try:
            yield kept
        except BaseException:
            if not kept.portions:
                shutil.rmtree(folder, ignore_errors=True)
            raise
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _locked(folder: Path) -> Iterator[IO[bytes] | None]:
    """The list, open, as long as nobody else has it; None where somebody has."""
    path = folder / LIST
    with open(os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600), "r+b") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield None
            return
        yield file


def _read(file: IO[bytes]) -> list[tuple[int, int]]:
    """Portions of rows that increase; from a line that is damaged, as the last can be, none count."""
    found: list[tuple[int, int]] = []
    for line in file.read().splitlines():
        try:
            bottom, total = json.loads(line)
        except (ValueError, TypeError):
            break
        if not (isinstance(bottom, int) and isinstance(total, int)) or bottom <= (found[-1][0] if found else 0):
            break
        found.append((bottom, total))
    return found


def _sweep(parent: Path, prefix: str, own: Path) -> None:
    pattern = re.compile(rf"{re.escape(prefix)}-[0-9a-f]{{16}}\.{_ENDING}")
    for path in parent.iterdir():
        if path == own or not pattern.fullmatch(path.name):
            continue
        facts = path.lstat()
        if not stat.S_ISDIR(facts.st_mode) or facts.st_uid != os.geteuid():
            continue
        with _locked(path) as file:
            if file is not None:
                shutil.rmtree(path, ignore_errors=True)
