"""Into the run and out of it: the image's pixels to the store in one pass, the decoded ones to a file in another."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from actors.artifacts.layout import OUT, VALID
from actors.schedule.task import Kind
from pipeline.plan.facts import ImageFacts
from pipeline.plan.plan import Plan
from storage.arrays import RegionArray, checksum
from storage.box import Box, RegionGrid
from storage.errors import CorruptRegionError, ImageError
from storage.images import ImageInfo, ImageSource, Keep, write_image
from storage.images.filling import filled_rows
from storage.images.opacity import ReadOpacity
from storage.images.provenance import Provenance
from storage.lease import Lease
from storage.ledger import Record, driver_record, of_kinds
from storage.run import RunStore
from storage.threads import read_all

log = logging.getLogger(__name__)

INGEST, EXPORT = "ingest", "export"
"""kinds of the journal's records for the two passes"""

PIXEL_SIDE = 512
"""input pixels a side of a chunk of the ingested image"""

ROWS = 256
"""rows of a picture that are hashed, made opaque and handed on at once"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """What an export wrote."""

    path: str
    sha256: str
    """of the pixels, row by row, bands interleaved"""


def ingest(
    store: RunStore,
    name: str,
    image: ImageFacts,
    source: ImageSource,
    lease: Lease,
    records: Sequence[Record],
    *,
    on_rows: Callable[[], None] = lambda: None,
    stamp: str | None = None,
) -> None:
    """Copy an image into the store's array ``name``, its holes filled, and where it is data into VALID.

    Rows come in increasing order. Does nothing where the journal says that it is there, whole.

    ``on_rows`` is called after each row of chunks, and now and then while they are checked. ``stamp``: the source's
    when the image was looked at for the plan. Raises ImageError, naming the rows, where the image is damaged, and where
    it has changed since.
    """
    grid = RegionGrid(height=image.height, width=image.width, side=PIXEL_SIDE)
    arrays = {name: store.array(name, channels=image.num_bands, grid=grid, dtype=image.dtype, compress=True)}
    if image.holes != "none":
        channels = image.num_bands if image.holes == "bands" else 1
        arrays[VALID] = store.array(VALID, channels=channels, grid=grid, dtype="uint8", compress=True)
    if all(is_recorded(array, records, on_rows) for array in arrays.values()):
        return
    checksums: dict[str, list[int]] = {name: [] for name in arrays}
    for box, pixels, valid in filled_rows(source, PIXEL_SIDE, image.means):
        values = {name: pixels} if valid is None else {name: pixels, VALID: valid.astype(np.uint8)}
        for region in grid.overlapping(box):
            for key, array in arrays.items():
                part = values[key][:, *grid.box(region).within(box)]
                checksums[key].append(write_over(array, region, part, lease))
        on_rows()
    if stamp is not None and source.stamp() != stamp:
        raise ImageError(
            f"{source.info.path} changed while it was read: start the same command again, which reads what is there now"
        )
    made = [driver_record(INGEST, extra={"array": key, "crc32c": sums}) for key, sums in checksums.items()]
    store.journal.append(made, lease.generation)


def is_recorded(array: RegionArray, records: Sequence[Record], on_some: Callable[[], None] = lambda: None) -> bool:
    """Whether the journal says that an array was brought in, and it is as it was then.

    ``on_some`` is called now and then while its regions are read.
    """
    recorded = [record for record in of_kinds(records, INGEST) if record.extra["array"] == array.name]
    return bool(recorded) and _intact(array, recorded[-1].extra["crc32c"], on_some)


def write_over(array: RegionArray, region: int, pixels: np.ndarray, lease: Lease) -> int:
    """Write one region, over a damaged one if need be: what is brought in is the truth here.

    Raises FencedError, and deletes nothing, where a newer coordinator has taken over.
    """
    whole = np.ascontiguousarray(pixels)
    try:
        is_wrong = array.crc(region) is not None and not np.array_equal(array.read_region(region), whole)
    except CorruptRegionError:
        is_wrong = True
    if is_wrong:
        lease.check()
        array.delete(region)
    return array.write(region, whole)


def _intact(array: RegionArray, checksums: list[int], on_some: Callable[[], None]) -> bool:
    found = read_all(array.crc, range(len(checksums)), between=lambda _done: on_some())
    try:
        return all(crc == recorded for crc, recorded in zip(found, checksums, strict=True))
    except CorruptRegionError:
        return False


def decoded_sums(records: Sequence[Record]) -> dict[int, int]:
    """The journal's checksums of the decoded regions."""
    return {record.region: record.crc32c for record in of_kinds(records, Kind.DECODE)}


def _check_band(array: RegionArray, row: int, band: np.ndarray, told: Mapping[int, int]) -> None:
    """Compare a row of regions with what the journal tells of them; one that it does not know is nobody's work."""
    grid = array.grid
    for region in grid.overlapping(grid.band(row)):
        found = checksum(band[:, *grid.box(region).within(grid.band(row))])
        if told.get(region) != found:
            raise CorruptRegionError(
                f"region {region} of {array.name} in {array.root.url} is not what the journal says: start the run's "
                "own command again, which makes it again"
            )


def export(
    store: RunStore,
    plan: Plan,
    info: ImageInfo,
    path: str,
    *,
    told: Mapping[int, int] | None = None,
    ready: Callable[[int], None] = lambda _row: None,
    alpha: ReadOpacity | None = None,
    overwrite: bool,
    provenance: Provenance | None = None,
    on_rows: Callable[[], None] = lambda: None,
) -> Exported:
    """Write the decoded pixels to ``path``, some rows at a time, under another name until it is whole.

    ``told``: the journal's crc32c of each region; CorruptRegionError where what is there is something else, or of a
    region that it does not know.
    ``ready`` is called with the number of each row of regions before it is read, and returns when it is there.
    ``info`` and ``alpha`` are the input's; ``provenance`` is written into the file (see describe_provenance);
    ``on_rows`` is called after each ROWS rows or fewer. In memory are one row
    of regions, and copies of those rows alone.
    """
    rows = _Rows(store.open_array(OUT), plan.out_regions, told, ready, on_rows)
    write_image(
        path,
        info,
        plan.scale,
        rows,
        height=plan.height_out,
        width=plan.width_out,
        overwrite=overwrite,
        alpha=alpha,
        provenance=provenance,
        keep=Keep(num_bands=plan.image.num_bands, dtype=plan.image.dtype, tell=rows.skip),
    )
    return Exported(path=path, sha256=rows.digest.hexdigest())


class _Rows:
    """The decoded pixels, top to bottom, ROWS rows or fewer at a time, hashed as they are handed on."""

    def __init__(
        self,
        array: RegionArray,
        grid: RegionGrid,
        told: Mapping[int, int] | None,
        ready: Callable[[int], None],
        on_rows: Callable[[], None],
    ) -> None:
        self._array, self._grid, self._told, self._ready, self._on_rows = array, grid, told, ready, on_rows
        self._begin = 0
        self.digest = hashlib.sha256()
        """of all that was handed on or skipped, bands interleaved"""

    def skip(self, box: Box, pixels: np.ndarray) -> None:
        """Rows that are written already, from the top; iterating begins behind them."""
        self._hash(pixels)
        self._begin = box.bottom

    def __iter__(self) -> Iterator[tuple[Box, np.ndarray]]:
        """Each row of regions is read once and held against what the journal tells of it."""
        for row in range(self._grid.rows):
            band = self._grid.band(row)
            if band.bottom <= self._begin:
                continue
            self._ready(row)
            pixels = self._array.read(band)
            if self._told is not None:
                _check_band(self._array, row, pixels, self._told)
            for top in range(max(band.top, self._begin), band.bottom, ROWS):
                rows = Box(top=top, left=0, height=min(ROWS, band.bottom - top), width=self._grid.width)
                part = pixels[:, *rows.within(band)]
                self._hash(part)
                yield rows, part

    def _hash(self, pixels: np.ndarray) -> None:
        self.digest.update(np.ascontiguousarray(pixels.transpose(1, 2, 0)).data.cast("B"))
        self._on_rows()
