"""Blobs that steer the model, and the journal's checksums of them: bytes that are not as recorded are never used.

A blob is made by a task, whose record names all blobs that it made or found, with the crc32c of each (extra, BLOBS).
The driver sends a task the checksums of what it may read; resume compares all of them (resume.py).
"""

from __future__ import annotations

import logging
from collections.abc import Mapping

import google_crc32c

from storage.errors import CorruptRegionError
from storage.run import RunStore

log = logging.getLogger(__name__)

BLOBS = "blobs"
"""what the journal calls the checksums of a task's blobs, by their names, among those of its arrays"""

Sums = Mapping[str, int]
"""crc32c by the name of a blob"""


def crc_of(data: bytes) -> int:
    """The checksum that the journal holds of a blob's bytes."""
    return int(google_crc32c.value(data))


class Blobs:
    """The blobs of one run as one process reads and writes them; threads may share it."""

    def __init__(self, store: RunStore) -> None:
        self._store = store
        self._sums: dict[str, int] = {}
        self._seen: dict[str, int] = {}
        """of the bytes that were given out last"""

    def expect(self, sums: Sums) -> None:
        """What the journal says of some blobs."""
        self._sums.update(sums)

    def put(self, name: str, data: bytes) -> int:
        """Store a blob; returns its crc32c. Raises CorruptRegionError where the journal's is another one."""
        crc = crc_of(data)
        if self._sums.setdefault(name, crc) != crc:
            raise CorruptRegionError(
                f"{name} in {self._store.url} was damaged, and is not the same when it is made again: memory or driver "
                "fault, or a different build of a library; start the same command again"
            )
        if self._store.get_blob(name) != data:
            self._store.put_blob(name, data)
        return crc

    def get(self, name: str) -> bytes | None:
        """A blob's bytes; None where it is not there, or not as the journal says.

        One that the journal has not told of yet is given as it is: whoever reads it must see what it is by itself.
        """
        data = self._store.get_blob(name)
        if data is None:
            return None
        crc = crc_of(data)
        if self._sums.get(name, crc) != crc:
            log.warning("blobs/%s in %s is not as the journal says: it is not used", name, self._store.url)
            return None
        self._seen[name] = crc
        return data

    def knows(self, name: str) -> bool:
        """Whether the journal has told of a blob, or this process has made it."""
        return name in self._sums

    def sum(self, name: str) -> int:
        """The crc32c of a blob that was put, or given out before."""
        return self._sums[name] if name in self._sums else self._seen[name]


def damaged_blob(store: RunStore, name: str) -> CorruptRegionError:
    """The error for a blob that no single task can make again."""
    return CorruptRegionError(
        f"blobs/{name} in {store.url} is damaged or gone: start the same command again, which makes it again"
    )
