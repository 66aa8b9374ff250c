"""DeepZoom and IIIF folders as images: the tiles of the whole, put together window by window."""

from __future__ import annotations

import hashlib
import threading
import warnings
from collections import OrderedDict
from pathlib import Path

import numpy as np
from PIL import Image

from storage.box import Box
from storage.errors import ImageError
from storage.images.identity import file_sha256
from storage.images.info import ImageInfo
from storage.images.layout import Choice
from storage.images.metadata import BandMetadata
from storage.images.opened import ImageSource, stamp_of
from storage.images.picture import ALPHA
from storage.images.tiling import Tiling
from storage.images.told import Told, read_table

from .carried import carried_metadata, choose, find_alpha

KEPT = 64 << 20
"""bytes of decoded tiles in memory"""
_BANDS = {"L": 1, "LA": 2, "RGB": 3, "RGBA": 4}
"""Pillow's modes, and how many bands each has"""
_FORMATS = {"png": "PNG", "jpg": "JPEG", "jpeg": "JPEG", "webp": "WEBP"}
_OPAQUE = 255


class TiledSource(ImageSource):
    """See ImageSource. Tiles have 8 bits; what they cannot say, a table beside those of gigatile does."""

    def __init__(self, tiling: Tiling, choice: Choice) -> None:
        self._tiling = tiling
        self._cache: OrderedDict[tuple[int, int], np.ndarray] = OrderedDict()
        self._held = 0
        self._lock = threading.Lock()
        shape = tiling.height, tiling.width
        table, where = tiling.table(), tiling.where
        first, icc = self._decoded(0, 0)
        self._count = len(first)
        """bands of the tiles as they are asked for"""
        told = _plain(self._count)
        if table:
            told = read_table(table, shape, where)
            self._count = len(told.bands)
        if (self._count, len(first)) not in _HELD:
            raise ImageError(f"{where}: its tiles have {len(first)} bands, and it tells of {self._count}: get it again")
        alpha, alpha_notes = find_alpha(where, told, self._count, choice)
        self._alpha = alpha
        self._bands, (shown, shown_notes) = choose(where, self._count, told, alpha, choice)
        self._nodata, notes = _nodata(told.nodata, tiling)
        self.info = ImageInfo(
            path=where,
            driver=tiling.kind,
            height=tiling.height,
            width=tiling.width,
            num_bands=len(self._bands),
            dtype="uint8",
            has_alpha=alpha > 0,
            geo=told.geo,
            nodata=self._nodata,
            descriptions=tuple(told.names[band] for band in self._bands),
            icc=told.icc if table else icc,
            dpi=told.dpi,
            # none of it must be replaced while it is read
            files=(where, str(tiling.descriptor), str(tiling.folder)),
            shown=shown,
            holes="bands" if self._nodata is not None else "pixels" if alpha else "none",
            notes=(*told.notes, *alpha_notes, *shown_notes, *notes),
            metadata=carried_metadata(told, self._bands),
        )

    def fingerprint(self) -> str:
        """The sha256 of the descriptor, and of all tiles of the whole, by their places in order."""
        digest = hashlib.sha256(b"tiles\n")
        for path in self._tiling.files():
            digest.update(f"{file_sha256(path)}\n".encode())
        return digest.hexdigest()

    def stamp(self) -> str:
        text = stamp_of(self._tiling.files())
        return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()

    def alpha(self, box: Box) -> np.ndarray | None:
        return self._put_together(box)[self._alpha - 1] if self._alpha else None

    def close(self) -> None:
        with self._lock:
            self._cache.clear()
            self._held = 0

    def _look(self, box: Box) -> tuple[np.ndarray, np.ndarray | None]:
        whole = self._put_together(box)
        pixels = whole[list(self._bands)]
        if self.info.holes == "none":
            return pixels, None
        opaque = whole[self._alpha - 1][None] > 0 if self._alpha else None
        if self._nodata is None:
            return pixels, opaque
        valid = pixels != np.uint8(self._nodata)
        return pixels, valid if opaque is None else valid & opaque

    def _put_together(self, box: Box) -> np.ndarray:
        """``[bands, y, x]`` of all bands."""
        down, across = self._tiling.side
        found = np.empty((self._count, *box.shape), np.uint8)
        for row in range(box.top // down, (box.bottom - 1) // down + 1):
            for column in range(box.left // across, (box.right - 1) // across + 1):
                core = self._tiling.core(row, column)
                top, left = max(box.top, core.top), max(box.left, core.left)
                bottom, right = min(box.bottom, core.bottom), min(box.right, core.right)
                part = Box(top=top, left=left, height=bottom - top, width=right - left)
                tile = self._tile(row, column)
                found[:, *part.within(box)] = tile[:, *part.within(core)]
        return found

    def _tile(self, row: int, column: int) -> np.ndarray:
        """What a tile alone holds, with as many bands as the picture has."""
        key = row, column
        with self._lock:
            if key in self._cache:
                self._cache.move_to_end(key)
                return self._cache[key]
        pixels = self._as_told(self._decoded(row, column)[0], row, column)
        core, box = self._tiling.core(row, column), self._tiling.box(row, column)
        pixels = np.ascontiguousarray(pixels[:, *core.within(box)])
        with self._lock:
            if key not in self._cache:
                self._held += pixels.nbytes
            self._cache[key] = pixels
            while self._held > KEPT:
                self._held -= self._cache.popitem(last=False)[1].nbytes
        return pixels

    def _as_told(self, pixels: np.ndarray, row: int, column: int) -> np.ndarray:
        """WebP has no gray, and leaves an alpha out that hides nothing."""
        path = self._tiling.path(row, column)
        if self._count in (1, 2) and len(pixels) >= 3:
            if not (pixels[:1] == pixels[1:3]).all():
                raise ImageError(f"{path} has colours; expected gray, as it is told: {_AGAIN}")
            pixels = np.concatenate([pixels[:1], pixels[3:]])
        if len(pixels) == self._count - 1 and self._count in (2, 4):
            pixels = np.concatenate([pixels, np.full_like(pixels[:1], _OPAQUE)])
        if len(pixels) != self._count:
            raise ImageError(f"{path} has {len(pixels)} bands; expected {self._count}, as the others: {_AGAIN}")
        return pixels

    def _decoded(self, row: int, column: int) -> tuple[np.ndarray, bytes | None]:
        """A tile ``[bands, y, x]`` and its colour profile. Raises ImageError that names it."""
        path = self._tiling.path(row, column)
        pixels, icc = _decode(path, self._tiling)
        if pixels.shape[1:] != self._tiling.box(row, column).shape:
            expected = " x ".join(map(str, self._tiling.box(row, column).shape))
            raise ImageError(
                f"{path} is {pixels.shape[1]} x {pixels.shape[2]} pixels; {self._tiling.descriptor} says {expected}: "
                f"{_AGAIN}"
            )
        return pixels, icc


_AGAIN = "get the whole picture again"
_HELD = {(1, 1), (2, 2), (3, 3), (4, 4), (1, 3), (2, 4), (2, 3), (4, 3)}
"""bands that are told of, and that tiles may have for them"""


def _decode(path: Path, tiling: Tiling) -> tuple[np.ndarray, bytes | None]:
    if not path.is_file():
        raise ImageError(f"no tile {path}, which {tiling.descriptor} tells of: {_AGAIN}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(path, formats=[_FORMATS[tiling.suffix]]) as image:
                if image.mode not in _BANDS:
                    raise ImageError(f"{path} holds {image.mode}; expected 8 bits of gray or RGB")
                pixels, icc = np.asarray(image), image.info.get("icc_profile")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        if isinstance(error, ImageError):
            raise
        raise ImageError(f"{path} is damaged: {' '.join(str(error).split())}; {_AGAIN}") from error
    return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1), icc


def _plain(count: int) -> Told:
    """Of tiles that nothing is said of: what their format says."""
    colours = ("gray",) if count < 3 else ("red", "green", "blue")
    bands = [BandMetadata(colour=colour) for colour in (*colours, *[ALPHA] * (count in (2, 4)))]
    return Told(names=(None,) * count, bands=tuple(bands), alpha=count if count in (2, 4) else 0)


def _nodata(value: float | None, tiling: Tiling) -> tuple[float | None, tuple[str, ...]]:
    if value is None or tiling.suffix in ("png", "webp"):
        return value, ()
    return None, (f"its nodata value {value:g} is left out: JPEG has not kept it",)
