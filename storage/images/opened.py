"""An open image, whatever reads its file."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from fractions import Fraction

import numpy as np

from storage.box import Box

from .info import ImageInfo


class ImageSource(ABC):
    """An open image. Threads may share it; it does not pickle. Close it, or use ``with``.

    Read PNG and JPEG files in increasing row order: going back means decoding from the first row again.
    """

    info: ImageInfo
    ratio: Fraction = Fraction(1)
    """how much larger than its file the image is along each axis"""

    def __enter__(self) -> ImageSource:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def read(self, box: Box) -> np.ndarray:
        """The pixels in ``box``, ``[num_bands, box.height, box.width]`` of the file's own number format.

        Values that are no data are there as the file has them. Raises ImageError where the file is damaged.
        """
        return self.look(box)[0]

    def look(self, box: Box) -> tuple[np.ndarray, np.ndarray | None]:
        """The pixels as ``read`` gives them, and which are data: bool, see ``info.holes``.

        ``[num_bands, box.height, box.width]`` for holes in bands, ``[1, box.height, box.width]`` for pixels, None where
        the image has none.
        """
        if not self.info.canvas.contains(box):
            raise ValueError(f"{box} is not inside {self.info.path}, {self.info.height} x {self.info.width}")
        return self._look(box)

    def rows(self, height: int) -> Iterator[tuple[Box, np.ndarray]]:
        """The whole image from top to bottom, as full-width windows of ``height`` rows (the last may be lower)."""
        for box in self.bands_of_rows(height):
            yield box, self.read(box)

    def bands_of_rows(self, height: int) -> Iterator[Box]:
        """Full-width windows of ``height`` rows (the last may be lower), top to bottom, that make up the image."""
        for top in range(0, self.info.height, height):
            yield Box(top=top, left=0, height=min(height, self.info.height - top), width=self.info.width)

    def fingerprint(self) -> str:
        """The sha256 of the bytes of all files that the image hangs on; see identity.py."""
        return self.info.fingerprint()

    def stamp(self) -> str:
        """What tells, without reading any pixel, that the image is what it was: sizes and times of its local files.

        "" where reading itself sees to it, as it does of what is read by ranges.
        """
        return stamp_of([self.info.file, *self.info.files])

    @abstractmethod
    def alpha(self, box: Box) -> np.ndarray | None:
        """Opacity in ``box``, ``[box.height, box.width]`` uint8, 255 opaque; None where the image has none."""

    @abstractmethod
    def close(self) -> None: ...

    @abstractmethod
    def _look(self, box: Box) -> tuple[np.ndarray, np.ndarray | None]:
        """See look; the box is inside."""


def stamp_of(files: Iterable[str | os.PathLike[str]]) -> str:
    """Which local files they are, with size and time of the last change; what is none is passed over."""
    lines = []
    for path in dict.fromkeys(os.fspath(file) for file in files):
        try:
            facts = os.stat(path)
        except (OSError, ValueError):
            continue
        lines.append(f"{path} {facts.st_dev} {facts.st_ino} {facts.st_size} {facts.st_mtime_ns}")
    return "\n".join(lines)
