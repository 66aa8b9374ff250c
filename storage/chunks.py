"""Zarr stores over an :class:`ObjectRoot`, with all that it does about stores that fail for a moment.

Zarr by itself overwrites, and reads an absent chunk as the fill value without a word; both would hide lost work, so
:class:`ChunkStore` creates a chunk once, and an absent one is an error.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from zarr.storage import ObjectStore

from storage.objects.root import ObjectRoot

from .errors import MissingRegionError

if TYPE_CHECKING:
    from zarr.abc.store import ByteRequest
    from zarr.core.buffer import Buffer, BufferPrototype

T = TypeVar("T")


class RootStore(ObjectStore):
    """Whole keys, read and written through the root."""

    def __init__(self, root: ObjectRoot) -> None:
        super().__init__(root.store)
        self._root = root

    async def get(self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None) -> Buffer | None:
        assert byte_range is None, "no array here has shards"
        try:
            return prototype.buffer.from_bytes(await self._run(self._root.get, key))
        except KeyError:
            return None

    async def set(self, key: str, value: Buffer) -> None:
        await self._run(self._root.put, key, value.to_bytes())

    async def set_if_not_exists(self, key: str, value: Buffer) -> None:
        await self._run(self._root.put_new, key, value.to_bytes())

    async def exists(self, key: str) -> bool:
        return await self._run(self._root.exists, key)

    async def delete(self, key: str) -> None:
        await self._run(self._root.delete, key)

    async def delete_dir(self, prefix: str) -> None:
        await self._run(lambda: self._root.delete_all(self._root.list(prefix.rstrip("/"))))

    async def _run(self, work: Callable[..., T], *args: object) -> T:
        """In a thread, so that many keys are waited for at a time and each may be asked for again."""
        return await asyncio.get_running_loop().run_in_executor(self._root.pool, work, *args)


class ChunkStore(RootStore):
    """``get`` raises MissingRegionError for an absent key, ``set`` raises FileExistsError for a present one."""

    async def get(self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None) -> Buffer:
        buffer = await super().get(key, prototype, byte_range)
        if buffer is None:
            raise MissingRegionError(key)
        return buffer

    async def set(self, key: str, value: Buffer) -> None:
        if not await self._run(self._root.put_new, key, value.to_bytes()):
            raise FileExistsError(key)
