"""Writing a result, block by block, so that its final name appears only with a finished file behind it."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

import numpy as np

from storage.box import Box
from storage.errors import FULL, CorruptRegionError, ImageError, StorageFullError

from .blocks import complete, restored
from .delivery import Delivery, address_of
from .folders import is_whole
from .formats import check_fits, package_of, writer_of
from .gdal import CACHE_MB, GDAL_ERRORS, gdal, reason
from .info import ImageInfo
from .kept import PORTION, Tell, keeping, key_of
from .limits import Format
from .opacity import ReadOpacity
from .output import check_output
from .picture import Picture, in_order, usable_profile
from .provenance import Provenance
from .stac import write_item
from .staging import no_room, prefix_of, staged
from .target import real_target
from .tiff import Blocks, tile_side
from .writers.writer import Writer

_ROWS_OF_TILES = 1.25
"""cache for blocks that cut tiles in two: the tile comes back before it has left the cache"""


def write_image(
    path: str | os.PathLike[str],
    info: ImageInfo,
    scale: int,
    blocks: Blocks,
    *,
    height: int,
    width: int,
    overwrite: bool = False,
    alpha: ReadOpacity | None = None,
    mask: ReadOpacity | None = None,
    provenance: Provenance | None = None,
    keep: Keep | None = None,
) -> None:
    """Write ``blocks`` of ``[bands, box.height, box.width]``, top to bottom, as the image ``path``.

    ``height`` and ``width`` are the result's; ``info`` is the input's, whose georeference, nodata, descriptions, colour
    profile, metadata and resolution are carried over, ``scale`` times as fine; ``alpha`` gives the input's opacity,
    such as ``source.alpha``; ``mask`` says which of its pixels are there (0: not), and is what ``alpha`` is taken for
    where the input has a mask and no alpha band. ``provenance``: how the result was made. Nothing is left behind on
    failure; with ``keep``, and a provenance, formats that go through a scratch file keep the rows that were written,
    and go on with them. Raises as :func:`check_output`, StorageFullError where the room runs out, and ValueError where
    the blocks do not cover the image or are not in row order.
    """
    inputs = [info.path, *info.files] if info.path else []
    check_output(path, overwrite=overwrite, inputs=inputs, info=info)
    num_colours, dtype, blocks = _looked_at(blocks, keep)
    check_fits(Path(path), height=height, width=width, dtype=dtype, num_colours=num_colours)
    writer, address = writer_of(Path(path), info), address_of(path)
    picture = _picture(writer.format, info, num_colours, dtype, alpha=alpha, mask=mask)
    picture = replace(picture, scale=scale, height=height, width=width, provenance=provenance, name=_name(path))
    if address is None:
        with _kept(real_target(path), picture, keep) as kept:
            _write(path, writer, kept, blocks, inputs)
        return
    delivery = Delivery(address=address, wanted=writer.format)
    with _kept(delivery.place, picture, keep) as kept, delivery.made_here(overwrite=overwrite) as local:
        _write(local, writer, kept, blocks, inputs, is_sent=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Keep:
    """That rows which are written outlast an interruption; the blocks are then whole rows."""

    num_bands: int
    """of the blocks"""
    dtype: str
    tell: Tell
    """told, before the first block is asked for, of rows that are there: blocks begin behind them"""
    portion: int = PORTION
    """rows that the disk is made to hold at once; of pictures with fewer none are kept"""


@contextmanager
def _kept(target: Path, picture: Picture, keep: Keep | None) -> Iterator[Picture]:
    """The picture, with the rows that are there of it; colours that alpha has changed cannot be told of."""
    is_told = keep is not None and picture.height > keep.portion and not picture.is_premultiplied
    if keep is None or picture.provenance is None or not is_told:
        yield picture
        return

    def tell(box: Box, values: np.ndarray) -> None:
        keep.tell(box, restored(values, picture))

    facts = replace(picture, alpha=None, mask=None), picture.alpha is None, picture.mask is None
    with keeping(target.parent, prefix_of(target), key_of(facts), keep.portion, tell) as kept:
        yield replace(picture, kept=kept)


def _name(path: str | os.PathLike[str]) -> str:
    return Path(path).name if address_of(path) is not None else real_target(path).name


def _picture(
    wanted: Format,
    info: ImageInfo,
    num_colours: int,
    dtype: str,
    *,
    alpha: ReadOpacity | None,
    mask: ReadOpacity | None,
) -> Picture:
    """What a format keeps; what it cannot hold is said by formats.losses before the run."""
    if mask is None and info.metadata.has_mask:
        alpha, mask = None, alpha
    if alpha is not None and mask is not None:
        raise ValueError("expected either alpha or a mask, got both: a pixel's opacity says whether it is there")
    is_hard = mask is not None and not wanted.has_mask
    plain = Picture(
        info=info,
        scale=1,
        height=info.height,
        width=info.width,
        num_colours=num_colours,
        dtype=dtype,
        alpha=(mask if is_hard else alpha) if wanted.has_alpha else None,
        mask=mask if wanted.has_mask else None,
        is_hard=is_hard,
        icc=usable_profile(info, num_colours),
        wanted=wanted,
    )
    colours = plain.colours[:num_colours]
    return plain if wanted.has_many_bands else replace(plain, order=in_order(colours))


def _write(
    path: str | os.PathLike[str],
    writer: Writer,
    picture: Picture,
    blocks: Blocks,
    inputs: Sequence[str],
    *,
    is_sent: bool = False,
) -> None:
    """Have the writer make the file beside its name, and put it there when it is whole.

    ``is_sent``: it does not stay on this machine, so nothing in it can lead to files here by their names from there.
    """
    target, source = real_target(path), _Source(complete(blocks, picture))
    cache_mb = max(CACHE_MB, math.ceil(_ROWS_OF_TILES * _row_of_tiles_mb(picture)))
    with (
        staged(target, spare=inputs, beside=picture.wanted.beside) as staging,
        _translating(target, staging),
        _blaming(package_of(Path(path)), target, source),
        gdal(cache_mb=cache_mb),
    ):
        writer.write(staging, picture, source)
        if next(iter(source), None) is not None or not is_whole(staging, picture.wanted):
            raise OSError(f"{type(writer).__name__} has not written all of the picture")
        write_item(staging, target, picture, is_sent=is_sent)


def _row_of_tiles_mb(picture: Picture) -> float:
    return picture.width * tile_side(picture) * picture.num_bands * np.dtype(picture.dtype).itemsize / 2**20


def _looked_at(blocks: Blocks, keep: Keep | None) -> tuple[int, str, Blocks]:
    """Bands and number format of the blocks. The first is looked at only where nobody says so: it may not be wanted."""
    if keep is not None:
        return keep.num_bands, keep.dtype, blocks
    first, blocks = _peek(blocks)
    return len(first), str(first.dtype), blocks


def _peek(blocks: Blocks) -> tuple[np.ndarray, Blocks]:
    remaining = iter(blocks)
    first = next(remaining, None)
    if first is None:
        raise ValueError("there are no blocks to write")
    return first[1], chain([first], remaining)


class _Source:
    """Blocks that keep the error that ended them."""

    def __init__(self, blocks: Iterator[tuple[Box, np.ndarray]]) -> None:
        self._blocks = blocks
        self.error: BaseException | None = None

    def __iter__(self) -> Iterator[tuple[Box, np.ndarray]]:
        return self

    def __next__(self) -> tuple[Box, np.ndarray]:
        try:
            return next(self._blocks)
        except StopIteration:
            raise
        except BaseException as error:
            self.error = error
            raise


@contextmanager
def _blaming(package: str | None, target: Path, source: _Source) -> Iterator[None]:
    """Turn what a writer of another package raises into one line that names it; what the blocks raise passes."""
    try:
        yield
    except Exception as error:
        is_full = isinstance(error, OSError) and error.errno in FULL
        if package is None or error is source.error or is_full:
            raise
        reason = " ".join(str(error).split()) or "no reason given"
        raise ImageError(
            f"cannot write {target}: the writer of the package {package} failed ({type(error).__name__}: {reason})"
        ) from error


@contextmanager
def _translating(target: Path, staging: Path) -> Iterator[None]:
    """Turn what GDAL raises while writing into one clear error; what reading the input raises passes."""
    try:
        yield
    except (ImageError, StorageFullError, CorruptRegionError):
        raise
    except GDAL_ERRORS as error:
        full = no_room(staging)
        if full is None:
            raise OSError(f"cannot write {target}: {reason(error)}") from error
        mend = "make room, then start the same command again: it resumes"
        raise StorageFullError(
            full.errno, f"no room to write the result ({full.strerror}); {mend}", str(target)
        ) from error
