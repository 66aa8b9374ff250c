"""A Zarr store over an :class:`ObjectRoot` in which a chunk is created once and an absent chunk is an error.

Zarr by itself overwrites, and reads an absent chunk as the fill value without a word; both would hide lost work here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import obstore
from zarr.storage import ObjectStore

from storage.errors import MissingRegionError
from storage.objects import TAKEN, ObjectRoot

if TYPE_CHECKING:
    from zarr.abc.store import ByteRequest
    from zarr.core.buffer import Buffer, BufferPrototype


class ChunkStore(ObjectStore):
    """``get`` raises MissingRegionError for an absent key, ``set`` raises FileExistsError for a present one."""

    def __init__(self, root: ObjectRoot) -> None:
        super().__init__(root.store)
        self._root = root

    async def get(self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None) -> Buffer:
        with self._root.translating("read", key):
            found = await super().get(key, prototype, byte_range)
        if found is None:
            raise MissingRegionError(key)
        return found

    async def set(self, key: str, value: Buffer) -> None:
        data: Any = value.as_buffer_like()
        try:
            with self._root.translating("write", key, passing=TAKEN):
                await obstore.put_async(self._root.store, key, data, mode="create", use_multipart=False)
        except TAKEN as error:
            raise FileExistsError(key) from error
