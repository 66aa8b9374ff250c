"""Pixels of one plane of a Zarr array: chunks are decoded once for many windows, and memory is bounded."""

from __future__ import annotations

import asyncio
import math
import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import obstore
import zarr
from zarr.abc.store import OffsetByteRequest, RangeByteRequest, SuffixByteRequest
from zarr.storage import ObjectStore, StorePath

from storage.box import Box
from storage.errors import ImageError
from storage.images.hierarchy import Hierarchy, Node

from .axes import Axes

if TYPE_CHECKING:
    from zarr.abc.store import ByteRequest
    from zarr.core.buffer import Buffer, BufferPrototype

MOST_CHUNK = 256 << 20
"""bytes of a decoded chunk"""
KEPT = 192 << 20
"""bytes of decoded chunks in memory"""
_ABSENT_ASKS = 3
"""a wrong "not found" would be read as the fill value"""
_AT_ONCE = 32 << 20
"""bytes of chunks that are asked for together"""
_CODECS = (
    *("bytes", "transpose", "sharding_indexed", "blosc", "zstd", "gzip", "zlib", "lz4", "lzma", "bz2"),
    *("delta", "fixedscaleoffset", "shuffle", "bitround", "quantize", "astype", "packbits"),
    *("crc32", "crc32c", "adler32", "fletcher32", "jenkins_lookup3"),
)
"""that make numbers of bytes and nothing else: pickle, which runs what it reads, is none of them"""


class ReadStore(ObjectStore):
    """Keys of a hierarchy, whole or in parts, with the patience of its root; nothing is ever written."""

    def __init__(self, hierarchy: Hierarchy) -> None:
        super().__init__(hierarchy.root.store, read_only=True)
        self._root = hierarchy.root

    async def get(self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None) -> Buffer | None:
        def ask() -> bytes:
            if byte_range is None:
                return self._root.get(key)
            for _ in range(_ABSENT_ASKS):
                if (part := self._root.asked("read", key, lambda: self._part(key, byte_range))) is not None:
                    return part
            raise KeyError(key)

        try:
            found = await asyncio.to_thread(ask)
        except KeyError:
            return None
        except OSError as error:
            raise ImageError(" ".join(str(error).split())) from error
        return prototype.buffer.from_bytes(found)

    def _part(self, key: str, asked: ByteRequest) -> bytes | None:
        options: Any = {"range": _range(asked)}
        try:
            return bytes(obstore.get(self.store, key, options=options).bytes())
        except FileNotFoundError:
            return None

    async def get_partial_values(
        self, prototype: BufferPrototype, key_ranges: Iterable[tuple[str, ByteRequest | None]]
    ) -> list[Buffer | None]:
        return list(await asyncio.gather(*(self.get(key, prototype, part) for key, part in key_ranges)))


def _range(asked: ByteRequest) -> Any:
    """A part of a key, as obstore is asked for it."""
    if isinstance(asked, RangeByteRequest):
        return asked.start, asked.end
    if isinstance(asked, OffsetByteRequest):
        return {"offset": asked.offset}
    assert isinstance(asked, SuffixByteRequest)
    return {"suffix": asked.suffix}


def open_array(hierarchy: Hierarchy, node: Node) -> Any:
    """Zarr's own array. Raises ImageError, one line, for damaged metadata, and for codecs not known here."""
    where = hierarchy.where(node.path)
    for name in _codecs(node.document):
        if name.removeprefix("numcodecs.") not in _CODECS:
            raise ImageError(f"{where} is coded by {name}, which is not read; expected zstd, blosc, gzip or the like")
    try:
        path = StorePath(ReadStore(hierarchy), node.path)
        return zarr.open_array(path, mode="r", zarr_format=3 if node.format == 3 else 2)
    except ImageError:
        raise
    except Exception as error:  # of many kinds, by what is wrong in a text
        raise ImageError(f"{where} is no Zarr array that can be read: {_reason(error)}") from error


def _codecs(document: Mapping[str, Any]) -> Iterator[str]:
    """Names of all codecs in the document of an array, within others too."""
    found = document.get("codecs"), document.get("index_codecs"), document.get("filters"), [document.get("compressor")]
    for codec in (codec for codecs in found if isinstance(codecs, list) for codec in codecs):
        if isinstance(codec, str):
            yield codec
        elif isinstance(codec, dict):
            yield str(codec.get("name", codec.get("id")))
            configuration = codec.get("configuration")
            yield from _codecs(configuration) if isinstance(configuration, dict) else ()


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"


class ZarrPlane:
    """Windows of one plane of an array; threads may share it."""

    def __init__(self, array: Any, axes: Axes, plane: Mapping[int, int], where: str, dtype: str) -> None:
        """Raises ImageError where a chunk is larger than 256 MiB."""
        self._array, self._axes, self._plane, self._where = array, axes, plane, where
        self._dtype = np.dtype(dtype)
        self._chunks: tuple[int, ...] = tuple(array.chunks)
        self._cache: OrderedDict[tuple[int, int, int], np.ndarray] = OrderedDict()
        self._held = 0
        self._lock = threading.Lock()
        size = math.prod(self._chunks) * array.dtype.itemsize
        if size > MOST_CHUNK:
            raise ImageError(
                f"{where} has chunks of {' x '.join(map(str, self._chunks))}, {size >> 20} MiB each, which are decoded "
                f"whole; expected {MOST_CHUNK >> 20} MiB at most: write it again with smaller chunks"
            )

    @property
    def notes(self) -> tuple[str, ...]:
        """What is slow, in a line."""
        axes, height = self._axes, self._chunks[self._axes.y]
        row = height * axes.shape[axes.x] * axes.num_bands * self._dtype.itemsize
        if row <= KEPT or height <= 512:
            return ()
        return (
            f"a row of its chunks, {height} pixels high, is {row >> 20} MiB, more than the {KEPT >> 20} MiB that are "
            "kept: each chunk is decoded several times",
        )

    def read(self, bands: Sequence[int], box: Box) -> np.ndarray:
        """``[len(bands), box.height, box.width]``; bands count from 0. Raises ImageError that names a damaged chunk."""
        found = np.empty((len(bands), box.height, box.width), self._dtype)
        deep, tall, wide = self._sides
        wanted: dict[int, list[int]] = {}
        for place, band in enumerate(bands):
            wanted.setdefault(band // deep, []).append(place)
        for layer, places in wanted.items():
            within = [bands[place] - layer * deep for place in places]
            for row in range(box.top // tall, (box.bottom - 1) // tall + 1):
                columns = range(box.left // wide, (box.right - 1) // wide + 1)
                for column, block in self._row(layer, row, columns):
                    into, part = _overlap(box, row * tall, column * wide, block)
                    found[places, *into] = block[within, *part]
        return found

    @property
    def _sides(self) -> tuple[int, int, int]:
        """Of a chunk: bands, height, width."""
        axes = self._axes
        return 1 if axes.c is None else self._chunks[axes.c], self._chunks[axes.y], self._chunks[axes.x]

    def _row(self, layer: int, row: int, columns: range) -> Iterator[tuple[int, np.ndarray]]:
        """Chunks of a row of them, those that are missing in memory some at a time."""
        at_once = max(1, _AT_ONCE // (math.prod(self._sides) * self._dtype.itemsize))
        for start in range(columns.start, columns.stop, at_once):
            batch = range(start, min(start + at_once, columns.stop))
            kept = {column: block for column in batch if (block := self._kept((layer, row, column))) is not None}
            missing = [column for column in batch if column not in kept]
            if missing:
                kept |= self._fetched(layer, row, range(missing[0], missing[-1] + 1))
            yield from ((column, kept[column]) for column in batch)

    def _kept(self, key: tuple[int, int, int]) -> np.ndarray | None:
        with self._lock:
            if key in self._cache:
                self._cache.move_to_end(key)
            return self._cache.get(key)

    def _fetched(self, layer: int, row: int, columns: range) -> dict[int, np.ndarray]:
        wide = self._sides[2]
        try:
            pixels = self._decoded(layer, row, columns)
        except ImageError as error:
            raise ImageError(f"{self._where}: {error}") from error
        except Exception as error:  # of as many kinds as there are codecs
            if len(columns) > 1:
                return {
                    key: block
                    for one in columns
                    for key, block in self._fetched(layer, row, range(one, one + 1)).items()
                }
            raise ImageError(
                f"{self._where}: its chunk {self._key(layer, row, columns[0])} is damaged: {_reason(error)}; get it "
                "again, or repair it"
            ) from error
        found = {}
        for number, column in enumerate(columns):
            block = np.ascontiguousarray(pixels[..., number * wide : (number + 1) * wide])
            found[column] = block
            self._keep((layer, row, column), block)
        return found

    def _keep(self, key: tuple[int, int, int], block: np.ndarray) -> None:
        with self._lock:
            if key not in self._cache:
                self._held += block.nbytes
            self._cache[key] = block
            while self._held > KEPT:
                self._held -= self._cache.popitem(last=False)[1].nbytes

    def _decoded(self, layer: int, row: int, columns: range) -> np.ndarray:
        """``[c, y, x]`` of chunks side by side, cut at the picture's edge, in this machine's byte order."""
        axes, (deep, tall, wide) = self._axes, self._sides
        spans = {axes.y: slice(row * tall, (row + 1) * tall), axes.x: slice(columns.start * wide, columns.stop * wide)}
        if axes.c is not None:
            spans[axes.c] = slice(layer * deep, (layer + 1) * deep)
        asked = tuple(spans.get(place, self._plane.get(place, 0)) for place in range(len(axes.shape)))
        found = np.asarray(self._array[asked])
        order = [place for place in (axes.c, axes.y, axes.x) if place is not None]
        left = sorted(order)
        pixels = found.transpose([left.index(place) for place in order])
        pixels = pixels[None] if axes.c is None else pixels
        return pixels.astype(self._dtype, copy=False)

    def _key(self, layer: int, row: int, column: int) -> str:
        """Of the object in which a chunk is."""
        axes = self._axes
        shards = self._array.shards or self._chunks
        first = {axes.y: row * self._sides[1], axes.x: column * self._sides[2], **self._plane}
        if axes.c is not None:
            first[axes.c] = layer * self._sides[0]
        coordinates = tuple(first.get(place, 0) // shards[place] for place in range(len(axes.shape)))
        return str(self._array.metadata.encode_chunk_key(coordinates))


def _overlap(box: Box, top: int, left: int, block: np.ndarray) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Where a block at ``top`` and ``left`` lies in the window, and which part of the block that is."""
    _, height, width = block.shape
    y0, y1 = max(box.top, top), min(box.bottom, top + height)
    x0, x1 = max(box.left, left), min(box.right, left + width)
    into = slice(y0 - box.top, y1 - box.top), slice(x0 - box.left, x1 - box.left)
    return into, (slice(y0 - top, y1 - top), slice(x0 - left, x1 - left))
