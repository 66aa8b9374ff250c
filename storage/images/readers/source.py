"""A file that another package reads, as gigatile sees images: with all its bands, checked."""

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
from storage.images.layout import DTYPES, Choice
from storage.images.opened import ImageSource
from storage.images.shown import Shown, check_bands, find_shown

from .reader import READERS, Reader, suffix_of


class ReaderSource(ImageSource):
    """See ImageSource. It has no georeference, no opacity and no profile."""

    def __init__(self, reader: Reader, path: Path, choice: Choice) -> None:
        self._path, self._packages = path, READERS.packages(suffix_of(path))
        self._lock = threading.Lock()
        with self._blaming():
            self._pixels = reader.open(path)
            (count, height, width), self._dtype = self._pixels.shape, str(self._pixels.dtype)
        try:
            self._bands, (shown, notes) = _choose(path, count, choice)
            if min(height, width) < 1 or self._dtype not in DTYPES:
                raise ImageError(f"{path}: {self._dtype} of {height} x {width} pixels; expected {', '.join(DTYPES)}")
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
            shown=shown,
            notes=notes,
            holes="bands" if self._dtype.startswith("float") else "none",
        )

    def alpha(self, box: Box) -> np.ndarray | None:
        return None

    def close(self) -> None:
        self._pixels.close()

    def _look(self, box: Box) -> tuple[np.ndarray, np.ndarray | None]:
        with self._lock, self._blaming():
            found = self._pixels.read(box, self._bands)
        shape = len(self._bands), box.height, box.width
        if found.shape != shape or str(found.dtype) != self._dtype:
            raise ImageError(
                f"{self._path}: {self._reader} gives {found.dtype} {found.shape} for {box}, expected {self._dtype} "
                f"{shape}"
            )
        pixels = np.ascontiguousarray(found)
        return pixels, np.isfinite(pixels) if pixels.dtype.kind == "f" else None

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


def _choose(path: Path, count: int, choice: Choice) -> tuple[tuple[int, ...], Shown]:
    """The bands to read, counted from 0, and those among them that are shown. Raises ImageError, one line."""
    for asked in (choice.only, choice.shown):
        check_bands(str(path), count, asked)
    bands = tuple(choice.only or range(1, count + 1))
    return tuple(band - 1 for band in bands), find_shown(str(path), bands, (), choice.shown)
