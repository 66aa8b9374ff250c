"""Files that GDAL reads through Python: it sees one name, and the bytes that are given under it, and nothing else.

So a file in a store is read by ranges without a network in GDAL, by the same client, credentials and retries as the
runs' store; and a file with stray bytes in it is read without them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO, cast

from rasterio._vsiopener import FileContainer, _opener_registration

from storage.errors import ImageError


class Served(ABC):
    """A file that is read by Python. Threads may share it; each has a handle of its own."""

    name: str
    """its name, without a folder: what GDAL sees"""
    failure: str = ""
    """why a read came back short, one line: GDAL hears of no exception"""

    @property
    @abstractmethod
    def size(self) -> int: ...

    @abstractmethod
    def read_at(self, start: int, count: int) -> bytes:
        """Bytes of the file, fewer than ``count`` at its end alone. Raises ImageError."""

    def open(self) -> BinaryIO:
        return cast(BinaryIO, _Handle(self))


class _Handle:
    """A file object of a served file, as much of one as zipfile, Pillow and GDAL's callbacks need."""

    def __init__(self, served: Served, *, is_silent: bool = False) -> None:
        self._served, self._at, self._silent = served, 0, is_silent

    def __enter__(self) -> _Handle:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def seek(self, offset: int, whence: int = 0) -> int:
        self._at = offset + (0, self._at, self._served.size)[whence]
        return self._at

    def tell(self) -> int:
        return self._at

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True

    def read(self, count: int = -1) -> bytes:
        rest = max(0, self._served.size - self._at)
        wanted = rest if count is None or count < 0 else min(count, rest)
        try:
            found = self._served.read_at(self._at, wanted) if wanted else b""
        except ValueError as error:
            if not self._silent:
                raise
            # an exception in GDAL's callback would be lost in C: the read is short, and the source asks why
            self._served.failure = self._served.failure or str(error)
            found = b""
        self._at += len(found)
        return found

    def close(self) -> None:
        pass


class _OneFile(FileContainer):
    """A file system with one file in it."""

    def __init__(self, served: Served) -> None:
        self._served = served

    def open(self, path: str, mode: str = "r", **_: Any) -> Any:
        if not self.isfile(path):
            raise FileNotFoundError(path)
        return _Handle(self._served, is_silent=True)

    def isfile(self, path: str) -> bool:
        return path.rsplit("/", 1)[-1] == self._served.name

    def isdir(self, path: str) -> bool:
        return False

    def ls(self, path: str) -> list[str]:
        return [self._served.name]

    def mtime(self, path: str) -> int:
        return 0

    def size(self, path: str) -> int:
        return self._served.size

    def rm(self, path: str) -> None:
        raise PermissionError(path)


@contextmanager
def registered(served: Served) -> Iterator[str]:
    """GDAL's name of a served file, for as long as it is open."""
    with _opener_registration(f"served/{served.name}", _OneFile(served)) as name:
        yield name


@contextmanager
def failures_of(served: Served) -> Iterator[None]:
    """Raise ImageError of what failed in Python while GDAL read, whether GDAL noticed or not."""
    try:
        yield
    except Exception as error:
        if served.failure:
            raise ImageError(served.failure) from error
        raise
    if served.failure:
        raise ImageError(served.failure)
