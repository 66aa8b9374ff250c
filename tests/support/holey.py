"""An image in memory, some of which is no data."""

from __future__ import annotations

import numpy as np

from storage.box import Box
from storage.images import ImageInfo, ImageSource
from storage.images.georeference import GeoReference


class Holey(ImageSource):
    """``pixels [bands, y, x]`` and which of them are data, bool ``[bands or 1, y, x]``; None for all."""

    def __init__(self, pixels: np.ndarray, valid: np.ndarray | None = None, *, shown: tuple[int, ...] = ()) -> None:
        self.pixels, self.valid = pixels, valid
        self.asked: list[Box] = []
        """windows that were read, one after another"""
        holes = "none" if valid is None else "bands" if len(valid) == len(pixels) else "pixels"
        self.info = ImageInfo(
            path="",
            driver="",
            height=pixels.shape[1],
            width=pixels.shape[2],
            num_bands=len(pixels),
            dtype=str(pixels.dtype),
            has_alpha=False,
            geo=GeoReference(),
            nodata=None,
            descriptions=(None,) * len(pixels),
            icc=None,
            dpi=None,
            shown=shown,
            holes=holes,
        )

    def alpha(self, box: Box) -> np.ndarray | None:
        return None

    def close(self) -> None:
        pass

    def _look(self, box: Box) -> tuple[np.ndarray, np.ndarray | None]:
        self.asked.append(box)
        valid = None if self.valid is None else self.valid[:, *box.slices]
        return self.pixels[:, *box.slices], valid
