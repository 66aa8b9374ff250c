"""What is being written: the enlarged image's size, and everything that the input hands on to it."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import numpy as np

from storage.box import Box

from .info import ImageInfo
from .limits import Format
from .opacity import ReadOpacity

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """One result in one format."""

    info: ImageInfo
    """of the input"""
    scale: int
    height: int
    """pixels of the result"""
    width: int
    num_colours: int
    """bands without alpha"""
    dtype: str
    alpha: ReadOpacity | None
    """the input's opacity, where the result has an alpha band"""
    icc: bytes | None
    """colour profile"""
    wanted: Format

    @property
    def canvas(self) -> Box:
        return Box(top=0, left=0, height=self.height, width=self.width)

    @property
    def num_bands(self) -> int:
        """Bands with alpha."""
        return self.num_colours + (self.alpha is not None)

    @property
    def dpi(self) -> tuple[float, float] | None:
        """Dots an inch along x and y: the paper stays as large as it was."""
        dpi = self.info.dpi
        return None if dpi is None else (dpi[0] * self.scale, dpi[1] * self.scale)

    @property
    def nodata(self) -> float | None:
        """The input's nodata value, where the result can hold it; a lossy format would smear it."""
        nodata = self.info.nodata
        fits = nodata is not None and nodata in range(np.iinfo(self.dtype).max + 1)
        return nodata if fits and not self.wanted.is_lossy else None


def usable_profile(info: ImageInfo, num_colours: int) -> bytes | None:
    """The input's colour profile, unless it is damaged or for other colours: some formats refuse it then."""
    icc = info.icc
    if icc is None:
        return None
    space = b"RGB " if num_colours == 3 else b"GRAY"
    if icc[36:40] == b"acsp" and icc[16:20] == space and int.from_bytes(icc[:4], "big") == len(icc):
        return icc
    log.warning("%s: its colour profile is damaged or not for %s, so it is left out", info.path, space.decode().strip())
    return None
