"""How sure a picture is of its detail: where it is worth asking, and the raster of the answer."""

from __future__ import annotations

import dataclasses
import hashlib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from pipeline.imaging.pixels import to_rgb
from pipeline.imaging.spread import Spread
from pipeline.plan.plan import Plan
from pipeline.plan.value_range import container
from pipeline.sampling.difficulty import REACH, from_gradient
from storage.arrays import RegionArray, checksum
from storage.box import Box
from storage.errors import CorruptRegionError
from storage.images import ImageInfo, ImageSource, write_image
from storage.images.metadata import BandMetadata, Metadata
from storage.images.provenance import Provenance
from storage.images.strips import Strip, strips
from storage.occupancy import CELL, Occupancy, squares_of

from .consistency import without_holes
from .transfer import Exported

_ROWS = 8 * CELL
DISAGREEMENT = "disagreement of overlapping tiles, in standard deviations of the latents"
"""the last band"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A finished run of the picture."""

    array: RegionArray
    """its decoded pixels"""
    told: dict[int, int]
    """the journal's crc32c of each region"""
    disagreement: RegionArray | None = None
    """how far overlapping tiles disagree, of latent pixels; see pipeline.tasks.disagreement"""
    told_of_it: dict[int, int] = field(default_factory=dict)


def find_hard(source: ImageSource, plan: Plan, least: float, given: ImageSource | None = None) -> Occupancy:
    """The squares of an image whose difficulty is at least ``least`` on average, and that hold data.

    It is what the gradient says, of the bands that the model sees, or a map that is ``given``, of the image's size.
    """
    info, rows = source.info, []
    edges = [*range(0, info.height, _ROWS), info.height]
    maps = [None] * (len(edges) - 1) if given is None else strips(given, edges)
    for strip, mark in zip(strips(source, edges, REACH), maps, strict=True):
        own = (slice(None), *strip.box.within(strip.around))
        valid = np.ones((1, *strip.box.shape), bool) if strip.valid is None else strip.valid[own]
        values = _gradient(strip, plan)[own[1:]] if mark is None else _shares(mark)
        rows.append((_means(values) >= least) & squares_of(np.asarray(valid.any(axis=0))))
    return Occupancy.of(np.concatenate(rows), height=info.height, width=info.width)


def _gradient(strip: Strip, plan: Plan) -> np.ndarray:
    """``[y, x]`` of the strip and its margins."""
    shown = list(plan.image.shown_bands)
    pixels = strip.pixels[shown]
    if strip.valid is not None:
        pixels = without_holes(pixels, strip.valid[shown] if len(strip.valid) > 1 else strip.valid)
    return from_gradient(to_rgb(plan.value_range.to_unit(pixels)))


def _shares(mark: Strip) -> np.ndarray:
    """A map's values, of the most that its number format holds; of floats as they are."""
    values = mark.pixels[0]
    return values if values.dtype.kind == "f" else values / container(str(values.dtype))[1]


def _means(values: np.ndarray) -> np.ndarray:
    """The mean of each square of ``[y, x]``, those at the edges cut."""
    height, width = values.shape
    rows, cols = np.arange(0, height, CELL), np.arange(0, width, CELL)
    sums = np.add.reduceat(np.add.reduceat(values.astype(np.float64), rows, axis=0), cols, axis=1)
    found: np.ndarray = sums / np.outer(np.minimum(CELL, height - rows), np.minimum(CELL, width - cols))
    return found


def uncertainty_info(info: ImageInfo, seeds: Sequence[int]) -> ImageInfo:
    """What a raster of deviations carries of the input: its place, and scales and units of its values."""
    names = [name or f"band {index}" for index, name in enumerate(info.descriptions, 1)]
    known = info.metadata.bands or (BandMetadata(),) * info.num_bands
    tags = {"GIGATILE_UNCERTAINTY": f"standard deviation over seeds {', '.join(map(str, seeds))}"}
    # a deviation knows no offset
    bands = (*(BandMetadata(scale=band.scale, unit=band.unit) for band in known), BandMetadata())
    return dataclasses.replace(
        info,
        num_bands=info.num_bands + 1,
        dtype="float32",
        nodata=math.nan,
        has_alpha=False,
        icc=None,
        shown=(),
        descriptions=(*(f"standard deviation of {name}" for name in names), DISAGREEMENT),
        metadata=Metadata(tags=tags, bands=bands),
    )


def write_uncertainty(
    path: str,
    source: ImageSource,
    plan: Plan,
    samples: Sequence[Sample],
    *,
    hard: Occupancy | None,
    seeds: Sequence[int],
    overwrite: bool,
    provenance: Provenance,
    on_region: Callable[[], None] = lambda: None,
) -> Exported:
    """Write the standard deviation of ``samples`` at each place, float32, in the result's unit, as the raster ``path``.

    Its last band is how far overlapping tiles disagree, the root mean square over the samples that know it. NaN, which
    is its nodata, where the input is no data, and in squares that are not ``hard``: nobody looked there; in the last
    band also where one tile lies alone. In memory are a region of two samples and of the deviation, and rows of the
    input's mask.
    """
    digest = hashlib.sha256()

    def blocks() -> Iterator[tuple[Box, np.ndarray]]:
        for region, known, spread in _regions(source, plan, samples, hard):
            of_tiles = np.where(known.any(axis=0), _disagreement(plan, samples, region), np.nan)
            values = np.concatenate([np.where(known, spread, np.nan), of_tiles[None]]).astype(np.float32)
            digest.update(np.ascontiguousarray(values).data.cast("B"))
            yield plan.out_regions.box(region), values
            on_region()

    write_image(
        path,
        uncertainty_info(source.info, seeds),
        plan.scale,
        blocks(),
        height=plan.height_out,
        width=plan.width_out,
        overwrite=overwrite,
        provenance=provenance,
    )
    return Exported(path=path, sha256=digest.hexdigest())


def _regions(
    source: ImageSource, plan: Plan, samples: Sequence[Sample], hard: Occupancy | None
) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """Each region, where it is known, bool ``[bands or 1, y, x]``, and its deviation ``[bands, y, x]``."""
    grid = plan.out_regions
    for row in range(grid.rows):
        low = grid.band(row).shrunk(plan.scale)
        valid = None if plan.image.holes == "none" else source.look(low)[1]
        for region in grid.overlapping(grid.band(row)):
            box, spread = grid.box(region), Spread()
            known = _known(box, low, valid, plan.scale, hard)
            for sample in samples:
                spread.add(np.where(known, _checked(sample, region), 0))
            yield region, known, spread.deviation()


def _disagreement(plan: Plan, samples: Sequence[Sample], region: int) -> np.ndarray:
    """``[y, x]`` of a region's output pixels; NaN where nobody knows it."""
    box, factor = plan.out_regions.box(region), plan.geometry.factor
    total, count = np.zeros(plan.regions.box(region).shape), np.zeros(plan.regions.box(region).shape, int)
    for sample in samples:
        if sample.disagreement is not None:
            values = _held(sample.disagreement, region, sample.told_of_it)[0].astype(np.float64)
            is_known = ~np.isnan(values)
            total += np.where(is_known, values, 0) ** 2
            count += is_known
    mean = np.sqrt(np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0))
    large: np.ndarray = mean.repeat(factor, 0).repeat(factor, 1)[: box.height, : box.width]
    return large


def _checked(sample: Sample, region: int) -> np.ndarray:
    """A region's pixels, held against the journal."""
    return _held(sample.array, region, sample.told)


def _held(array: RegionArray, region: int, told: Mapping[int, int]) -> np.ndarray:
    values = array.read_region(region)
    if told.get(region) != checksum(values):
        raise CorruptRegionError(
            f"region {region} of {array.name} in {array.root.url} is not what the journal says: start the run's own "
            "command again, which makes it again"
        )
    return values


def _known(box: Box, low: Box, valid: np.ndarray | None, scale: int, hard: Occupancy | None) -> np.ndarray:
    rows, cols = (np.arange(first, last) // scale for first, last in ((box.top, box.bottom), (box.left, box.right)))
    known = np.ones((1, *box.shape), bool) if valid is None else valid[:, rows - low.top][:, :, cols]
    return known if hard is None else known & hard.squares[rows // CELL][:, cols // CELL]
