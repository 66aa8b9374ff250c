"""The protocol of readers: what opens files of a kind that gigatile's own reading, by GDAL, does not know.

A reader from outside is an object of such a class in a package of its own, with an entry point in the group
``gigatile.readers`` for each of its suffixes, called as that without the dot. It is asked where a file is of no kind
that is known by its first bytes, so it never stands between GDAL and a file.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Protocol

import numpy as np

from storage.box import Box
from storage.registry import Registry


class Pixels(Protocol):
    """An open file."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """Bands, pixels along y, pixels along x."""
        ...

    @property
    def dtype(self) -> str:
        """``uint8`` or ``uint16``."""
        ...

    def read(self, box: Box, bands: tuple[int, ...]) -> np.ndarray:
        """``[len(bands), box.height, box.width]`` of ``dtype``; bands count from 0. Never called by two threads."""
        ...

    def close(self) -> None: ...


class Reader(ABC):
    """Opens files of one kind."""

    suffixes: tuple[str, ...]
    """of their names, in lower case, without the dot"""

    @abstractmethod
    def open(self, path: Path) -> Pixels:
        """Raises ValueError or OSError, one line, for a file that it cannot read."""


READERS: Registry[Reader] = Registry(
    what="reader", group="gigatile.readers", kind=Reader, built_in=(), names_of=lambda reader: reader.suffixes
)
"""by the suffix without its dot; what GDAL reads has none"""


def suffix_of(path: Path) -> str:
    """What a reader is found by."""
    return path.suffix.lower().removeprefix(".")
