"""Write-once arrays ``[channels, y, x]``, one Zarr v3 array each, one chunk a region.

A region is written whole, by one writer, once; so no write ever reads first, and nothing can get lost between two
writers. What is on the disk is plain Zarr: ``zarr.open_array`` reads it anywhere.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache, cached_property, lru_cache
from typing import Any

import google_crc32c
import numcodecs.blosc
import numpy as np
import zarr
from numpy.typing import DTypeLike
from zarr.codecs import BloscCodec, Crc32cCodec
from zarr.core.array import AsyncArray
from zarr.storage import MemoryStore, StorePath

from storage.objects.retrying import read_again
from storage.objects.root import ObjectRoot

from .box import Box, RegionGrid
from .chunks import ChunkStore
from .errors import CorruptRegionError, MissingRegionError, NotFiniteError, RegionConflictError

NOT_FINITE = ("nan", "inf", "-inf")
"""what can stand for no data among floats and is no number, as text"""
_NO_DATA = "no_data"
_CHUNK_KEY = re.compile(r"c/0/(\d+)/(\d+)$")


@dataclass(frozen=True, kw_only=True)
class RegionArray:
    """One array of a run, ``[channels, y, x]`` on ``grid``; made by the run store, and small when pickled.

    Threads may share one. Every read is checked against the stored checksum.
    """

    root: ObjectRoot
    name: str
    """folder of the array below the root, such as ``z/0/s0007``"""
    metadata: str
    """the array's ``zarr.json``"""
    grid: RegionGrid = field(init=False)
    channels: int = field(init=False)
    dtype: np.dtype[Any] = field(init=False)
    no_data: float | None = field(init=False)
    """NaN or an infinity, where that stands for no data and so may be written"""

    def __post_init__(self) -> None:
        parsed = json.loads(self.metadata)
        channels, height, width = parsed["shape"]
        side = parsed["chunk_grid"]["configuration"]["chunk_shape"][1]
        object.__setattr__(self, "channels", channels)
        object.__setattr__(self, "grid", RegionGrid(height=height, width=width, side=side))
        object.__setattr__(self, "dtype", np.dtype(parsed["data_type"]))
        no_data = parsed["attributes"].get(_NO_DATA)
        object.__setattr__(self, "no_data", None if no_data is None else float(no_data))

    def __reduce__(self) -> tuple[Any, ...]:
        return _restored, (self.root, self.name, self.metadata)

    @property
    def nbytes_region(self) -> int:
        """Bytes of a full region, uncompressed."""
        return self.channels * self.grid.side**2 * self.dtype.itemsize

    def write(self, region: int, data: np.ndarray) -> int:
        """Write one region, ``data [channels, box.height, box.width]``; returns the crc32c of its bytes.

        The crc covers the values inside the canvas, C order, little-endian. Writing the same values again changes
        nothing. Raises ValueError for data that is not exactly this region (shape, dtype), NotFiniteError for NaN or
        infinity that does not stand for no data, RegionConflictError where other values are there already,
        CorruptRegionError where what is there is damaged.
        """
        box = self.grid.box(region)
        self._check(region, box, data)
        rows, cols = box.slices
        try:
            self._zarr[:, rows, cols] = data
        except FileExistsError:
            present = self.read_region(region)
            if present.tobytes() != data.tobytes():
                raise RegionConflictError(
                    f"region {region} of {self.name} is written already, with other values: two different plans or "
                    f"programs work on {self.root.url}"
                ) from None
        return checksum(data)

    def _check(self, region: int, box: Box, data: np.ndarray) -> None:
        expected = (self.channels, box.height, box.width)
        if data.shape != expected or data.dtype != self.dtype:
            raise ValueError(
                f"region {region} of {self.name} takes {self.dtype} {expected}, the whole region and nothing else; "
                f"got {data.dtype} {data.shape}"
            )
        if self.dtype.kind == "f" and not (np.isfinite(data) | self._is_no_data(data)).all():
            raise NotFiniteError(
                f"region {region} of {self.name} was to be written with NaN or infinity, which are no results"
            )

    def read(self, box: Box) -> np.ndarray:
        """The values in ``box``, ``[channels, box.height, box.width]``.

        Raises MissingRegionError where a region that it touches has not been written, CorruptRegionError where one is
        damaged, ValueError where the box leaves the canvas.
        """
        if not self.grid.canvas.contains(box):
            raise ValueError(f"{box} is not inside the canvas of {self.name}, {self.grid.height} x {self.grid.width}")
        rows, cols = box.slices
        try:
            with self._naming_missing():
                values = self._values(rows, cols)
        except ValueError as error:
            raise CorruptRegionError(self._damage(box, error)) from error
        if self._has_unwritten(values):
            raise MissingRegionError(f"{self.name} holds unwritten values (NaN) in {box}, region {self._empty(box)}")
        return values

    def read_region(self, region: int) -> np.ndarray:
        """The values of one whole region, ``[channels, box.height, box.width]``; errors as :meth:`read`."""
        return self.read(self.grid.box(region))

    def crc(self, region: int) -> int | None:
        """The crc32c of a region's values as :meth:`write` returned it; None where absent.

        Raises CorruptRegionError where the region is damaged.
        """
        try:
            return checksum(self.read_region(region))
        except MissingRegionError:
            return None

    def delete(self, region: int) -> None:
        """Remove one region, damaged or not, so that it can be written again; an absent one is fine."""
        row, col = self.grid.position(region)
        self.root.delete(f"{self.name}/c/0/{row}/{col}")

    def delete_all(self) -> None:
        """Remove every region, then the array itself."""
        self.root.delete_all(self.root.list(f"{self.name}/c"))
        self.root.delete(f"{self.name}/zarr.json")

    def regions(self) -> set[int]:
        """Regions that exist; whether they are whole, only :meth:`crc` says."""
        keys = self.root.list(f"{self.name}/c")
        matches = (_CHUNK_KEY.search(key) for key in keys)
        return {self.grid.index(int(match[1]), int(match[2])) for match in matches if match}

    def _values(self, rows: slice, cols: slice) -> np.ndarray:
        """Read again before it is called damaged: a bit may have been lost on the way from an object store."""
        return read_again(lambda: np.asarray(self._zarr[:, rows, cols]), ValueError, times=1 if self.root.path else 3)

    @cached_property
    def _zarr(self) -> zarr.Array:
        _configure_zarr()
        path = StorePath(ChunkStore(self.root), self.name)
        config: Any = {"write_empty_chunks": True, "order": "C"}
        return zarr.Array(AsyncArray(json.loads(self.metadata), path, config))

    def _is_no_data(self, data: np.ndarray) -> np.ndarray | bool:
        if self.no_data is None:
            return False
        return np.isnan(data) if math.isnan(self.no_data) else data == self.no_data

    def _has_unwritten(self, values: np.ndarray) -> bool:
        """Where NaN is no data, only an absent chunk tells, which no read passes."""
        if self.dtype.kind != "f" or (self.no_data is not None and math.isnan(self.no_data)):
            return False
        return bool(np.isnan(values).any())

    @contextmanager
    def _naming_missing(self) -> Iterator[None]:
        try:
            yield
        except MissingRegionError as error:
            match = _CHUNK_KEY.search(str(error))
            region = self.grid.index(int(match[1]), int(match[2])) if match else "?"
            raise MissingRegionError(
                f"region {region} of {self.name} in {self.root.url} has not been written, or is gone: start the run's "
                "own command again, which makes it again"
            ) from None

    def _damage(self, box: Box, error: Exception) -> str:
        """Say which region is damaged: a failed read of several does not tell."""
        damaged = [region for region in self.grid.overlapping(box) if self._is_damaged(region)]
        which = f"region {damaged[0]}" if damaged else "a region"
        return f"{which} of {self.name} in {self.root.url} is damaged ({error}); delete it, then resume"

    def _is_damaged(self, region: int) -> bool:
        rows, cols = self.grid.box(region).slices
        try:
            self._values(rows, cols)
        except ValueError:
            return True
        except MissingRegionError:
            return False
        return False

    def _empty(self, box: Box) -> int | None:
        regions = self.grid.overlapping(box)
        return next(
            (region for region in regions if np.isnan(self._zarr[:, *self.grid.box(region).slices]).any()), None
        )


def checksum(data: np.ndarray) -> int:
    """The crc32c of an array's bytes in C order, little-endian.

    >>> checksum(np.arange(6, dtype=np.float32).reshape(1, 2, 3))
    2020883037
    """
    return int(google_crc32c.value(np.ascontiguousarray(data, dtype=data.dtype.newbyteorder("<"))))


def describe_array(
    *, channels: int, grid: RegionGrid, dtype: DTypeLike, compress: bool, no_data: str | None = None
) -> str:
    """The ``zarr.json`` of an array: one chunk a region, checksummed, NaN (floats) or 0 where nothing is written.

    ``no_data``: "nan", "inf" or "-inf", where floats have it for what is no data.
    """
    _configure_zarr()
    kind = np.dtype(dtype)
    blosc = (BloscCodec(cname="zstd", clevel=3, shuffle="shuffle"),) if compress else ()
    array = zarr.create_array(
        MemoryStore(),
        shape=(channels, grid.height, grid.width),
        chunks=(channels, grid.side, grid.side),
        dtype=kind,
        compressors=(*blosc, Crc32cCodec()),
        fill_value=np.nan if kind.kind == "f" else 0,
        dimension_names=("c", "y", "x"),
        attributes={"region_side": grid.side} | ({} if no_data is None else {_NO_DATA: no_data}),
        zarr_format=3,
    )
    return json.dumps(array.metadata.to_dict(), indent=1, sort_keys=True)


def is_description(metadata: dict[str, Any] | None) -> bool:
    """Whether a parsed ``zarr.json`` is what describe_array writes of an array of some shape and kind."""
    if metadata is None:
        return False
    try:
        channels, height, width = metadata["shape"]
        grid = RegionGrid(height=height, width=width, side=metadata["chunk_grid"]["configuration"]["chunk_shape"][1])
        no_data, dtype = metadata["attributes"].get(_NO_DATA), str(metadata["data_type"])
        if no_data not in (None, *NOT_FINITE):
            return False
        kinds = [_description(channels, grid, dtype, compress, no_data) for compress in (False, True)]
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError):
        return False
    return metadata in kinds


@lru_cache(maxsize=256)
def _description(channels: int, grid: RegionGrid, dtype: str, compress: bool, no_data: str | None) -> dict[str, Any]:
    metadata: dict[str, Any] = json.loads(
        describe_array(channels=channels, grid=grid, dtype=np.dtype(dtype), compress=compress, no_data=no_data)
    )
    return metadata


def _restored(root: ObjectRoot, name: str, metadata: str) -> RegionArray:
    return RegionArray(root=root, name=name, metadata=metadata)


@cache
def _configure_zarr() -> None:
    """Keep zarr and blosc to a few threads a process: many workers share a machine."""
    zarr.config.set({"threading.max_workers": 2, "async.concurrency": 32})
    numcodecs.blosc.set_nthreads(1)
