"""Reading an image file window by window."""

from __future__ import annotations

import logging
import os
import struct
import threading
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
from .kinds import drivers_for, head_of
from .layout import ALL, Choice, Layout, read_layout
from .metadata import read_metadata
from .opened import ImageSource
from .orientation import Orientation
from .place import Place, find_place
from .readers.reader import READERS, Reader, suffix_of
from .readers.source import ReaderSource

log = logging.getLogger(__name__)

_MAX_INTERLACED_BYTES = 1 << 30


class GdalSource(ImageSource):
    """A file that GDAL reads; each thread gets a handle of its own."""

    def __init__(self, consent: Consent, choice: Choice) -> None:
        self._consent = consent
        self._path = consent.place.path
        self._local = threading.local()
        self._handles: list[Any] = []
        self._lock = threading.Lock()
        try:
            with gdal():
                files = files_behind(consent, self._raster)
                self._layout, self._orientation, info = _describe(self._path, self._raster, choice)
                self._hole = None if self._layout.palette is not None else info.nodata
                self.info = replace(info, files=files if len(files) > 1 else ())
            self.read(Box(top=0, left=0, height=1, width=self.info.width))
        except BaseException:
            self.close()
            raise

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

    def _look(self, box: Box) -> tuple[np.ndarray, np.ndarray | None]:
        layout, info = self._layout, self.info
        stored = self._read_stored(box, list(layout.bands))
        valid = None if info.holes == "none" else self._valid(stored, box)
        if layout.palette is not None:
            stored = layout.palette[stored[0], : layout.num_bands].transpose(2, 0, 1)
        elif layout.factor > 1:
            stored = stored * np.uint8(layout.factor)
        return self._orientation.upright(stored), valid

    def _valid(self, stored: np.ndarray, box: Box) -> np.ndarray:
        """Which of the stored values ``[band, y, x]`` are data, upright."""
        valid = self._orientation.upright(_data(stored, self._hole))
        if self._layout.alpha == "none":
            return valid
        opacity = self.alpha(box)
        assert opacity is not None
        opaque: np.ndarray = opacity[None] > 0
        return opaque if self.info.holes == "pixels" else valid & opaque

    def alpha(self, box: Box) -> np.ndarray | None:
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


def _data(stored: np.ndarray, hole: float | None) -> np.ndarray:
    """Which values are data: not ``hole``, and numbers."""
    data = np.isfinite(stored) if stored.dtype.kind == "f" else np.ones(stored.shape, bool)
    return data if hole is None else data & (stored != stored.dtype.type(hole))


def open_image(path: str | os.PathLike[str], *, choice: Choice = ALL, trust: bool = False) -> ImageSource:
    """Open an image file, upright, with all its bands; ``choice``: what the user says of them.

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
    if (reader := reader_of(place)) is not None:
        return ReaderSource(reader, where, choice)
    consent = ask(place, trust=trust)
    if place.kind and place.beside():
        log.warning("%s: what lies beside it in the archive (%s) is not read", place.path, place.beside()[0])
    try:
        return GdalSource(consent, choice)
    except GDAL_ERRORS as error:
        raise ImageError(
            f"{where} is no image that can be read: {reason(error)}; expected PNG, JPEG or TIFF"
        ) from error


def reader_of(place: Place) -> Reader | None:
    """What another package offers for a file that is of no kind known here; None where GDAL is to be asked.

    Raises ImageError, one line, where that package is broken.
    """
    if place.kind or suffix_of(place.file) not in READERS.names():
        return None
    with place.open() as file:
        if drivers_for(place.name, head_of(file)):
            return None
    try:
        return READERS.find(suffix_of(place.file))
    except ValueError as error:
        raise ImageError(f"{place.path} cannot be read: {error}") from error


def packages_of(path: str | os.PathLike[str]) -> dict[str, str]:
    """The package beside gigatile that reads a file, with its version; empty where gigatile does."""
    place = find_place(str(path))
    return {} if reader_of(place) is None else READERS.packages(suffix_of(place.file))


def _describe(path: str, raster: Any, choice: Choice) -> tuple[Layout, Orientation, ImageInfo]:
    layout = read_layout(path, raster, choice)
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
        dtype=raster.dtypes[0],
        has_alpha=layout.alpha != "none",
        geo=geo,
        nodata=_nodata(raster, layout),
        descriptions=_descriptions(raster, layout),
        icc=header.icc,
        dpi=header.dpi,
        shown=layout.shown,
        holes=_holes(raster, layout),
        notes=(*layout.notes, *_nodata_notes(raster, layout)),
        metadata=read_metadata(raster, layout.bands),
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
    """What stands for no data in every carried band; None where nothing does, or what the format cannot hold."""
    values = [raster.nodatavals[band - 1] for band in layout.bands]
    value = values[0]
    if layout.palette is not None or value is None or any(other != value for other in values if value == value):
        return None
    kind = np.dtype(raster.dtypes[0])
    if kind.kind == "f":
        return float(value)
    limits = np.iinfo(kind)
    return float(value) if value == value and limits.min <= value <= limits.max and value == int(value) else None


def _nodata_notes(raster: Any, layout: Layout) -> tuple[str, ...]:
    """That bands name several values, of which a result holds one: then none of them is taken for a hole."""
    values = {str(raster.nodatavals[band - 1]) for band in layout.bands}
    if len(values) == 1 or layout.palette is not None:
        return ()
    return (f"its bands name several nodata values ({', '.join(sorted(values))}): none is kept, holes count as data",)


def _holes(raster: Any, layout: Layout) -> str:
    """See ImageInfo.holes."""
    if layout.palette is None and (np.dtype(raster.dtypes[0]).kind == "f" or _nodata(raster, layout) is not None):
        return "bands"
    return "none" if layout.alpha == "none" else "pixels"


def _descriptions(raster: Any, layout: Layout) -> tuple[str | None, ...]:
    if layout.palette is not None:
        return (None,) * layout.num_bands
    return tuple(raster.descriptions[band - 1] for band in layout.bands)
