"""Reading an image file window by window."""

from __future__ import annotations

import logging
import os
import struct
import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from rasterio.windows import Window

from storage.box import Box
from storage.errors import ImageError

from .consent import Consent, ask, files_behind
from .gdal import GDAL_ERRORS, gdal, reason
from .georeference import read_georeference
from .header import Header, read_header
from .info import ImageInfo
from .layout import Layout, read_layout
from .orientation import Orientation
from .place import find_place

log = logging.getLogger(__name__)

_MAX_INTERLACED_BYTES = 1 << 30


class ImageSource:
    """An open image. Threads may share it (each gets its own handle); it does not pickle. Close it, or use ``with``.

    Read PNG and JPEG files in increasing row order: going back means decoding from the first row again.
    """

    def __init__(self, consent: Consent, bands: tuple[int, ...] | None) -> None:
        self._consent = consent
        self._path = consent.place.path
        self._local = threading.local()
        self._handles: list[Any] = []
        self._lock = threading.Lock()
        try:
            with gdal():
                files = files_behind(consent, self._raster)
                self._layout, self._orientation, info = _describe(self._path, self._raster, bands)
                self.info = replace(info, files=files if len(files) > 1 else ())
            self.read(Box(top=0, left=0, height=1, width=self.info.width))
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> ImageSource:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        with self._lock:
            for handle in self._handles:
                handle.close()
            self._handles.clear()
            self._local = threading.local()

    @property
    def _raster(self) -> Any:
        if not hasattr(self._local, "raster"):
            raster = self._consent.open()
            self._local.raster = raster
            with self._lock:
                self._handles.append(raster)
        return self._local.raster

    def fingerprint(self) -> str:
        """The sha256 of the bytes of all files that the image hangs on; see identity.py."""
        return self.info.fingerprint()

    def read(self, box: Box) -> np.ndarray:
        """The pixels in ``box``, ``[num_bands, box.height, box.width]``, uint8 or uint16.

        Float files come out as uint16, 0 to 1 stretched to 0 to 65535. Raises ImageError where the file is damaged, or
        holds floats outside [0, 1].
        """
        stored = self._read_stored(box, list(self._layout.bands))
        if stored.dtype.kind == "f":
            stored = self._from_floats(stored, box)
        if self._layout.palette is not None:
            num_bands = self._layout.num_bands
            stored = self._layout.palette[stored[0], :num_bands].transpose(2, 0, 1)
        elif self._layout.factor > 1:
            stored = stored * np.uint8(self._layout.factor)
        return self._orientation.upright(stored)

    def rows(self, height: int) -> Iterator[tuple[Box, np.ndarray]]:
        """The whole image from top to bottom, as full-width windows of ``height`` rows (the last may be lower)."""
        for top in range(0, self.info.height, height):
            box = Box(top=top, left=0, height=min(height, self.info.height - top), width=self.info.width)
            yield box, self.read(box)

    def alpha(self, box: Box) -> np.ndarray | None:
        """Opacity in ``box``, ``[box.height, box.width]`` uint8, 255 opaque; None where the image has none."""
        layout = self._layout
        if layout.alpha == "none":
            return None
        if layout.alpha == "mask":
            opacity = self._read_stored(box, None)
        elif layout.palette is not None:
            opacity = layout.palette[self._read_stored(box, [1])[0], 3]
        else:
            opacity = self._read_stored(box, [layout.alpha_band])[0]
            if opacity.dtype == np.uint16:
                opacity = ((opacity.astype(np.uint32) + 128) // 257).astype(np.uint8)
            elif opacity.dtype.kind == "f":
                opacity = np.rint(np.clip(opacity, 0, 1) * 255).astype(np.uint8)
        return self._orientation.upright(opacity)

    def _read_stored(self, box: Box, bands: list[int] | None) -> np.ndarray:
        """Stored pixels of an upright window, ``[band, y, x]``; the mask ``[y, x]`` for no bands."""
        if not self.info.canvas.contains(box):
            raise ValueError(f"{box} is not inside {self._path}, {self.info.height} x {self.info.width}")
        stored = self._orientation.stored(box)
        window = Window(stored.left, stored.top, stored.width, stored.height)
        try:
            with gdal():
                if bands is None:
                    return self._raster.dataset_mask(window=window)
                return self._raster.read(bands, window=window)
        except GDAL_ERRORS as error:
            raise ImageError(
                f"{self._path} is damaged or cut short near rows {stored.top} to {stored.bottom - 1}: {reason(error)}; "
                "get the file again, or repair it"
            ) from error

    def _from_floats(self, stored: np.ndarray, box: Box) -> np.ndarray:
        lowest, highest = float(stored.min()), float(stored.max())
        if not (lowest >= 0.0 and highest <= 1.0):
            raise ImageError(
                f"{self._path} holds float values {lowest:g} to {highest:g} in rows {box.top} to {box.bottom - 1}; "
                "expected [0, 1] without NaN: rescale it, or convert it to uint16"
            )
        return np.rint(stored * 65535.0).astype(np.uint16)


def open_image(
    path: str | os.PathLike[str], *, bands: tuple[int, ...] | None = None, trust: bool = False
) -> ImageSource:
    """Open an image file, upright, as gray or RGB; ``bands`` selects one or three of its bands, counted from 1.

    ``path`` may name a member of a local archive, such as /vsizip/PATH/inside. ``trust``: the user answers for what the
    file makes GDAL read (see consent.py).

    Raises FileNotFoundError where it is absent, and ImageError with one line where it cannot be used: empty, not an
    image, damaged as far as can be seen, inks instead of colours, values or a number of bands we do not take.
    """
    place = find_place(str(path))
    where = place.file
    if not where.exists():
        raise FileNotFoundError(f"no file {where}; expected an image")
    if where.is_dir():
        raise ImageError(f"{where} is a folder; expected an image file: name the file in it")
    if not where.is_file():
        raise ImageError(f"{where} is a pipe or a device; expected an image file: write the image to a file first")
    if where.stat().st_size == 0:
        raise ImageError(f"{where} is empty; expected an image: get the file again")
    consent = ask(place, trust=trust)
    if place.kind and place.beside():
        log.warning("%s: what lies beside it in the archive (%s) is not read", place.path, place.beside()[0])
    try:
        return ImageSource(consent, bands)
    except GDAL_ERRORS as error:
        raise ImageError(
            f"{where} is no image that can be read: {reason(error)}; expected PNG, JPEG or TIFF"
        ) from error


def _describe(path: str, raster: Any, bands: tuple[int, ...] | None) -> tuple[Layout, Orientation, ImageInfo]:
    layout = read_layout(path, raster, bands)
    header = _header(path, raster)
    orientation = Orientation(header.orientation, raster.height, raster.width)
    geo = read_georeference(raster)
    if header.orientation != 1 and not geo.is_empty:
        raise ImageError(
            f"{path} has both a georeference and an orientation tag; remove one: they contradict each other"
        )
    height, width = orientation.upright_shape
    info = ImageInfo(
        path=path,
        driver=raster.driver,
        height=height,
        width=width,
        num_bands=layout.num_bands,
        dtype="uint8" if raster.dtypes[0] == "uint8" else "uint16",
        has_alpha=layout.alpha != "none",
        geo=geo,
        nodata=_nodata(raster, layout),
        descriptions=_descriptions(raster, layout),
        icc=header.icc,
        dpi=header.dpi,
    )
    return layout, orientation, info


def _header(path: str, raster: Any) -> Header:
    try:
        header = read_header(path, raster)
    except (OSError, SyntaxError, ValueError, KeyError, TypeError, struct.error) as error:
        raise ImageError(f"{path} has a damaged header: {error}; get the file again, or repair it") from error
    if header.interlaced and raster.height * raster.width * raster.count > _MAX_INTERLACED_BYTES:
        raise ImageError(f"{path} is interlaced, so it can only be decoded whole: save it again without interlacing")
    return header


def _nodata(raster: Any, layout: Layout) -> float | None:
    values = {raster.nodatavals[band - 1] for band in layout.bands}
    plain = layout.palette is None and layout.alpha == "none" and raster.dtypes[0] in ("uint8", "uint16")
    return values.pop() if plain and len(values) == 1 else None


def _descriptions(raster: Any, layout: Layout) -> tuple[str | None, ...]:
    if layout.palette is not None:
        return (None,) * layout.num_bands
    return tuple(raster.descriptions[band - 1] for band in layout.bands)
