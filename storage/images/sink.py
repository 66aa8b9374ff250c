"""Writing a result, block by block, so that its final name appears only with a finished file behind it."""

from __future__ import annotations

import base64
import errno
import logging
import math
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import rasterio.shutil
from rasterio.enums import ColorInterp
from rasterio.windows import Window

from storage.box import Box
from storage.errors import ImageError, StorageFullError
from storage.images.density import stamp_density
from storage.images.formats import Format, check_fits, format_of
from storage.images.gdal import CACHE_MB, GDAL_ERRORS, gdal, open_raster, reason
from storage.images.georeference import write_georeference
from storage.images.info import ImageInfo
from storage.images.opacity import ReadOpacity, enlarged_opacity
from storage.images.staging import staged

log = logging.getLogger(__name__)

Blocks = Iterable[tuple[Box, np.ndarray]]
_TILE = 512
_FULL_TEXTS = ("no space left", "file too large", "quota exceeded", "not enough disk", "free disk space available")
_NO_ROOM_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class _Picture:
    """What is being written: the enlarged image's size and everything carried over from the input."""

    info: ImageInfo
    scale: int
    height: int
    width: int
    num_bands: int
    """with alpha"""
    dtype: str
    alpha: ReadOpacity | None
    icc: bytes | None
    nodata_survives: bool

    @property
    def row_of_tiles_mb(self) -> float:
        return self.width * _TILE * self.num_bands * np.dtype(self.dtype).itemsize / 2**20

    @property
    def dpi(self) -> tuple[float, float] | None:
        dpi = self.info.dpi
        return None if dpi is None else (dpi[0] * self.scale, dpi[1] * self.scale)


def check_output(
    path: str | os.PathLike[str],
    *,
    overwrite: bool,
    height: int | None = None,
    width: int | None = None,
    num_bands: int = 3,
    dtype: str = "uint8",
) -> None:
    """Check, before a run starts, that its result can be written to ``path``.

    Raises ImageError (suffix, size, bits), FileExistsError, FileNotFoundError or NotADirectoryError (the folder),
    PermissionError or OSError (the folder cannot be written), StorageFullError (too little room; only where height and
    width, in pixels of the result, are given).
    """
    target = Path(path).expanduser().absolute()
    wanted = format_of(target)
    folder = target.parent
    if not folder.exists():
        raise FileNotFoundError(f"cannot write {target}: there is no folder {folder}; make it first")
    if not folder.is_dir():
        raise NotADirectoryError(f"cannot write {target}: {folder} is a file; choose another place")
    if target.is_dir():
        raise IsADirectoryError(f"cannot write {target}: it is a folder; name a file in it")
    if target.exists() and not overwrite:
        raise FileExistsError(f"{target} exists; choose another name, or allow overwriting")
    _check_writable(folder, target)
    if height is not None and width is not None:
        check_fits(target, height=height, width=width, dtype=dtype)
        raw = height * width * num_bands * np.dtype(dtype).itemsize
        _check_room(folder, math.ceil(raw * wanted.disk_per_raw_byte))


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
) -> None:
    """Write ``blocks`` of ``[bands, box.height, box.width]``, top to bottom, as the image ``path``.

    ``height`` and ``width`` are the result's; ``info`` is the input's, whose georeference, nodata, descriptions, colour
    profile and resolution are carried over ``scale`` times as fine; ``alpha`` gives the input's opacity, such as
    ``source.alpha``. Nothing is left behind on failure. Raises as :func:`check_output`, StorageFullError where the room
    runs out, and ValueError where the blocks do not cover the image or are not in row order.
    """
    check_output(path, overwrite=overwrite)
    target = Path(path).expanduser().absolute()
    wanted = format_of(target)
    pixels, blocks = _peek(blocks)
    check_fits(target, height=height, width=width, dtype=str(pixels.dtype))
    if alpha is not None and not wanted.has_alpha:
        log.warning(
            "%s: %s has no transparency, so the input's is left out; choose .tif or .png", target, wanted.driver
        )
        alpha = None
    picture = _Picture(
        info=info,
        scale=scale,
        height=height,
        width=width,
        num_bands=len(pixels) + (alpha is not None),
        dtype=str(pixels.dtype),
        alpha=alpha,
        icc=_usable_profile(info, len(pixels)),
        nodata_survives=not wanted.is_lossy,
    )
    with staged(target) as staging, _translating(target):
        _write(staging, picture, wanted, blocks)


def _write(staging: Path, picture: _Picture, wanted: Format, blocks: Blocks) -> None:
    cache_mb = max(CACHE_MB, math.ceil(1.25 * picture.row_of_tiles_mb))
    with gdal(cache_mb=cache_mb):
        if wanted.driver == "GTiff":
            _write_tiff(staging, picture, blocks, COMPRESS="DEFLATE", BIGTIFF="IF_SAFER")
            return
        scratch = staging.with_name(f"{staging.name}.scratch")
        _write_tiff(scratch, picture, blocks, COMPRESS="ZSTD", ZSTD_LEVEL=1, BIGTIFF="YES")
        options = {**wanted.options, **_profile_option(picture)}
        rasterio.shutil.copy(str(scratch), str(staging), driver=wanted.driver, **options)
    scratch.unlink()
    if picture.dpi:
        stamp_density(staging, wanted.driver, picture.dpi)


def _write_tiff(path: Path, picture: _Picture, blocks: Blocks, **options: Any) -> None:
    """Write the blocks as a tiled TIFF; it is closed, and its size on the disk final, on return."""
    profile = {
        "driver": "GTiff",
        "height": picture.height,
        "width": picture.width,
        "count": picture.num_bands,
        "dtype": picture.dtype,
        "tiled": True,
        "blockxsize": _TILE,
        "blockysize": _TILE,
        "predictor": 2,
        "photometric": "RGB" if picture.num_bands >= 3 else "MINISBLACK",
        **({"ALPHA": "NON-PREMULTIPLIED"} if picture.alpha else {}),
        **_profile_option(picture),
        **options,
    }
    with open_raster(str(path), "w", **profile) as raster:
        _write_metadata(raster, picture)
        for box, pixels in _checked(blocks, picture):
            window = Window(box.left, box.top, box.width, box.height)
            raster.write(_with_alpha(pixels, box, picture), window=window)


def _write_metadata(raster: Any, picture: _Picture) -> None:
    info = picture.info
    write_georeference(raster, info.geo.scaled(picture.scale))
    if info.nodata is not None and picture.nodata_survives and info.nodata in range(np.iinfo(picture.dtype).max + 1):
        raster.nodata = info.nodata
    for number, description in enumerate(info.descriptions, 1):
        if description and number <= picture.num_bands:
            raster.set_band_description(number, description)
    if picture.alpha:
        raster.colorinterp = (*raster.colorinterp[:-1], ColorInterp.alpha)
    if picture.dpi:
        x, y = picture.dpi
        raster.update_tags(TIFFTAG_XRESOLUTION=x, TIFFTAG_YRESOLUTION=y, TIFFTAG_RESOLUTIONUNIT=2)


def _checked(blocks: Blocks, picture: _Picture) -> Iterator[tuple[Box, np.ndarray]]:
    """Pass the blocks on; ValueError where they are out of order, outside, or not all there."""
    canvas = Box(top=0, left=0, height=picture.height, width=picture.width)
    top = area = 0
    for box, pixels in blocks:
        if not canvas.contains(box) or pixels.shape[1:] != box.shape or str(pixels.dtype) != picture.dtype:
            raise ValueError(f"a block of {pixels.dtype} {pixels.shape} at {box} does not fit {picture.dtype} {canvas}")
        if box.top < top:
            raise ValueError(f"blocks come top to bottom: {box} came after row {top}")
        top, area = box.top, area + box.area
        yield box, pixels
    if area != canvas.area:
        raise ValueError(
            f"the blocks cover {area} pixels, the image {picture.height} x {picture.width} has {canvas.area}"
        )


def _with_alpha(pixels: np.ndarray, box: Box, picture: _Picture) -> np.ndarray:
    if picture.alpha is None:
        return pixels
    opacity = enlarged_opacity(picture.alpha, box, picture.scale, picture.info.canvas)
    if picture.dtype == "uint16":
        opacity = opacity.astype(np.uint16) * 257
    return np.concatenate([pixels, opacity[None]])


def _peek(blocks: Blocks) -> tuple[np.ndarray, Blocks]:
    remaining = iter(blocks)
    first = next(remaining, None)
    if first is None:
        raise ValueError("there are no blocks to write")
    return first[1], chain([first], remaining)


def _profile_option(picture: _Picture) -> dict[str, str]:
    return {"SOURCE_ICC_PROFILE": base64.b64encode(picture.icc).decode()} if picture.icc else {}


def _usable_profile(info: ImageInfo, num_bands: int) -> bytes | None:
    """The input's colour profile, unless it is damaged or for other colours: some writers refuse the file for that."""
    icc = info.icc
    if icc is None:
        return None
    space = b"RGB " if num_bands == 3 else b"GRAY"
    if icc[36:40] == b"acsp" and icc[16:20] == space and int.from_bytes(icc[:4], "big") == len(icc):
        return icc
    log.warning("%s: its colour profile is damaged or not for %s, so it is left out", info.path, space.decode().strip())
    return None


def _check_writable(folder: Path, target: Path) -> None:
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise type(error)(
            f"cannot write {target}: {folder} takes no files ({error.strerror}); choose another"
        ) from error


def _check_room(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise StorageFullError(
            errno.ENOSPC,
            f"about {needed / 1e9:.1f} GB are needed to write the result, {free / 1e9:.1f} GB are free; make room",
            str(folder),
        )


@contextmanager
def _translating(target: Path) -> Iterator[None]:
    """Turn what GDAL raises while writing into one clear error; those of reading the input pass."""
    try:
        yield
    except (ImageError, StorageFullError):
        raise
    except GDAL_ERRORS as error:
        why = reason(error)
        free = shutil.disk_usage(target.parent).free
        if free < _NO_ROOM_BYTES or any(text in why.lower() for text in _FULL_TEXTS):
            raise StorageFullError(
                errno.ENOSPC, f"no room to write the result ({why}); make room, resume", str(target)
            ) from error
        raise OSError(f"cannot write {target}: {why}") from error
