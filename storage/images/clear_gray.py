"""Gray PNGs in which one value means transparent (tRNS): GDAL calls that value nodata; it is opacity, as in RGB."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from storage.box import Box

from .opened import ImageSource


class ClearGraySource(ImageSource):
    """See ImageSource: another source's pixels, transparent, and no data, where they have one value."""

    def __init__(self, source: ImageSource, factor: int) -> None:
        """``factor``: what the file's own values are multiplied by in the source's pixels."""
        assert source.info.nodata is not None
        self._source, self._value = source, source.info.nodata * factor
        self.info = replace(source.info, nodata=None, has_alpha=True, holes="pixels")

    @staticmethod
    def fits(source: ImageSource) -> bool:
        """Whether it is such a PNG: one with a place on the ground, or a text of GDAL's beside it, means nodata."""
        info = source.info
        is_plain = info.driver == "PNG" and not info.files and info.geo.is_empty
        return is_plain and info.num_bands == 1 and info.nodata is not None and not info.has_alpha

    def fingerprint(self) -> str:
        return self._source.fingerprint()

    def alpha(self, box: Box) -> np.ndarray | None:
        return np.where(self._source.read(box)[0] == self._value, 0, 255).astype(np.uint8)

    def close(self) -> None:
        self._source.close()

    def _look(self, box: Box) -> tuple[np.ndarray, np.ndarray | None]:
        pixels = self._source.read(box)
        return pixels, np.asarray(pixels != self._value)
