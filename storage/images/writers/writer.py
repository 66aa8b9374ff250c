"""The protocol of writers: one class a format.

A writer from outside is an object of such a class in a package of its own, with an entry point in the group
``gigatile.writers`` for each of its suffixes, called as that without the dot; see examples/outside.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path

from storage.images.limits import Format
from storage.images.picture import Picture
from storage.images.tiff import Blocks


class Writer(ABC):
    """Writes results of one format."""

    suffixes: tuple[str, ...]
    """of the names that it writes, in lower case, without the dot"""
    format: Format
    """what it can hold"""

    @abstractmethod
    def write(self, staging: Path, picture: Picture, blocks: Blocks) -> None:
        """Make the file ``staging``, in a folder of its own, of all the blocks; or the folder, where the format is one.

        What else is left in that folder goes, but the sidecars and the folder that the format says lies beside.

        ``blocks`` come top to bottom and cover the picture once: ``[picture.num_bands, box.height, box.width]`` of
        ``picture.dtype``, with opacity as the last band where the picture has it. They are many, and made as they are
        asked for: none is to be kept. Raises OSError where it cannot be written; nothing is left behind then.
        """
