from __future__ import annotations

import asyncio

import pytest
from zarr.core.buffer import Buffer, default_buffer_prototype

from storage.chunks import ChunkStore
from storage.errors import MissingRegionError
from storage.objects.root import ObjectRoot


def buffer(data: bytes) -> Buffer:
    return default_buffer_prototype().buffer.from_bytes(data)


class TestChunkStore:
    def test_a_chunk_is_created_once(self, root: ObjectRoot) -> None:
        store = ChunkStore(root)
        asyncio.run(store.set("z/c/0/0/0", buffer(b"first")))
        with pytest.raises(FileExistsError, match="z/c/0/0/0"):
            asyncio.run(store.set("z/c/0/0/0", buffer(b"second")))
        assert root.get("z/c/0/0/0") == b"first"

    def test_an_absent_chunk_is_an_error(self, root: ObjectRoot) -> None:
        with pytest.raises(MissingRegionError, match="z/c/0/0/1"):
            asyncio.run(ChunkStore(root).get("z/c/0/0/1", default_buffer_prototype()))
