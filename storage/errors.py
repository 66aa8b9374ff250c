"""The errors of the storage layer that somebody catches by name; the list stays short."""

from __future__ import annotations

import errno

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""the system's error numbers that become StorageFullError"""


class MissingRegionError(LookupError):
    """A region that was asked for has never been written, or has been deleted."""


class CorruptRegionError(OSError):
    """A region's bytes are not those that were written: its checksum, length or coding is wrong."""


class RegionConflictError(RuntimeError):
    """A region that is written already was written again with other values."""


class NotFiniteError(FloatingPointError):
    """NaN or infinity where a number was to be: computing again would give the same."""


class StorageFullError(OSError):
    """The disk, the quota or the largest allowed file is used up."""


class NoBucketError(FileNotFoundError):
    """An object store has no bucket of that name."""


class FencedError(RuntimeError):
    """A newer generation works on this run: the caller has lost it and must stop."""


class RunBusyError(RuntimeError):
    """Somebody else is at work on this run."""


class ImageError(ValueError):
    """An image that cannot be used; one line with what was expected, what was found and the mend."""
