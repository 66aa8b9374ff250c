"""A file that another package reads, as gigatile sees images: gray or RGB, checked."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from storage.box import Box
from storage.errors import ImageError
from storage.images.georeference import GeoReference
from storage.images.info import ImageInfo
from storage.images.opened import ImageSource

from .reader import READERS, Reader, suffix_of


class ReaderSource(ImageSource):
    """See ImageSource. It has no georeference, no opacity and no profile."""

    def __init__(self, reader: Reader, path: Path, bands: tuple[int, ...] | None) -> None:
        """``bands``: one or three, counted from 1; None for all of a file that has so many."""
        self._path, self._packages = path, READERS.packages(suffix_of(path))
        self._lock = threading.Lock()
        with self._blaming():
            self._pixels = reader.open(path)
            (count, height, width), self._dtype = self._pixels.shape, str(self._pixels.dtype)
        try:
            self._bands = _choose(path, count, bands)
            if min(height, width) < 1 or self._dtype not in ("uint8", "uint16"):
                raise ImageError(f"{path}: {self._dtype} of {height} x {width} pixels; expected uint8 or uint16")
        except BaseException:
            self._pixels.close()
            raise
        self.info = ImageInfo(
            path=str(path),
            driver=suffix_of(path).upper(),
            height=height,
            width=width,
            num_bands=len(self._bands),
            dtype=self._dtype,
            has_alpha=False,
            geo=GeoReference(),
            nodata=None,
            descriptions=(None,) * len(self._bands),
            icc=None,
            dpi=None,
            packages=self._packages,
        )

    def alpha(self, box: Box) -> np.ndarray | None:
        return None

    def close(self) -> None:
        self._pixels.close()

    def _read(self, box: Box) -> np.ndarray:
        with self._lock, self._blaming():
            found = self._pixels.read(box, self._bands)
        shape = len(self._bands), box.height, box.width
        if found.shape != shape or str(found.dtype) != self._dtype:
            raise ImageError(
                f"{self._path}: {self._reader} gives {found.dtype} {found.shape} for {box}, expected {self._dtype} "
                f"{shape}"
            )
        return np.ascontiguousarray(found)

    @property
    def _reader(self) -> str:
        names = [f"{name} {version}" for name, version in self._packages.items()]
        return f"the reader of the package {' and '.join(names)}"

    @contextmanager
    def _blaming(self) -> Iterator[None]:
        """What somebody else's code raises, as one line that names it."""
        try:
            yield
        except Exception as error:
            reason = " ".join(str(error).split()) or "no reason given"
            raise ImageError(
                f"{self._path} cannot be read: {self._reader} says {type(error).__name__}: {reason}"
            ) from error


def _choose(path: Path, count: int, bands: tuple[int, ...] | None) -> tuple[int, ...]:
    """The bands to read, counted from 0. Raises ImageError, one line."""
    if bands is None:
        if count not in (1, 3):
            raise ImageError(f"{path} has {count} bands; expected 1 or 3: choose one or three of them (--bands)")
        return tuple(range(count))
    if not all(1 <= band <= count for band in bands) or len(bands) not in (1, 3):
        raise ImageError(f"{path} has {count} bands; expected one or three of 1 to {count}, got {list(bands)}")
    return tuple(band - 1 for band in bands)
