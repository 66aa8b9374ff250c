"""Pictures that are compared: of gray and of three bands that are all that gray, one is as good as the other."""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np

from storage.box import Box
from storage.errors import ImageError
from storage.images import ImageSource

log = logging.getLogger(__name__)

_COLOURS = 3


class GraySource(ImageSource):
    """See ImageSource: the first band of three that are one. Closing it closes nothing."""

    def __init__(self, source: ImageSource) -> None:
        self._source, info = source, source.info
        self.ratio = source.ratio
        self.info = replace(
            info,
            num_bands=1,
            shown=(),
            descriptions=info.descriptions[:1],
            metadata=replace(info.metadata, bands=info.metadata.bands[:1]),
        )

    def fingerprint(self) -> str:
        return self._source.fingerprint()

    def stamp(self) -> str:
        return self._source.stamp()

    def alpha(self, box: Box) -> np.ndarray | None:
        return self._source.alpha(box)

    def close(self) -> None:
        pass

    def _look(self, box: Box) -> tuple[np.ndarray, np.ndarray | None]:
        pixels, valid = self._source.look(box)
        data = np.ones((1, *box.shape), bool) if valid is None else np.asarray(valid.all(axis=0, keepdims=True))
        if not ((pixels[:1] == pixels[1:]) | ~data).all():
            raise ImageError(
                f"{self.info.path} has three bands, which differ near rows {box.top} to {box.bottom - 1}: it cannot be "
                "compared with gray; give pictures of the same bands"
            )
        return pixels[:1], valid if valid is None or len(valid) == 1 else data


def as_gray(one: ImageSource, *others: ImageSource) -> ImageSource:
    """``one``, or its first band, with a warning, where it has three and another picture has one.

    WebP has no gray, so a gray picture in it, or in its tiles, has three bands. That these are one is checked as they
    are read.
    """
    if one.info.num_bands != _COLOURS or all(other.info.num_bands != 1 for other in others):
        return one
    gray = next(other.info.path for other in others if other.info.num_bands == 1)
    log.warning("%s has three bands, %s one: they are compared as gray, if the three are the same", one.info.path, gray)
    return GraySource(one)
