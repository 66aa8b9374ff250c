"""An image file that GDAL reads, window by window."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from rasterio.windows import Window

from storage.box import Box
from storage.errors import ImageError

from .consent import Consent, files_behind
from .described import describe, nodata_values
from .gdal import GDAL_ERRORS, gdal, reason
from .layout import Choice
from .members import check_one
from .opened import ImageSource


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
                check_one(consent.place, self._raster)
                files = files_behind(consent, self._raster)
                self._layout, self._orientation, info, self.traits = describe(consent.place, self._raster, choice)
                self._holes = nodata_values(self._raster, self._layout)
                self.info = replace(info, files=files if len(files) > 1 or consent.place.before else ())
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
            raster, handle = self._consent.open()
            self._local.raster = raster
            with self._lock:
                self._handles.append(handle)
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
        valid = self._orientation.upright(_data(stored, self._holes))
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
            opacity = layout.palette[self._read_stored(box, [1])[0], 3].astype(np.uint8)
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


def _data(stored: np.ndarray, holes: Sequence[float | None]) -> np.ndarray:
    """Which values ``[band, y, x]`` are data: numbers, and not what stands for none in their band."""
    data = np.isfinite(stored) if stored.dtype.kind == "f" else np.ones(stored.shape, bool)
    for band, hole in enumerate(holes):
        if hole is not None:
            data[band] &= stored[band] != stored.dtype.type(hole)
    return data
