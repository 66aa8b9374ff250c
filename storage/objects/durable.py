"""Local files that survive a power cut: written aside, flushed to the disk, then named."""

from __future__ import annotations

import errno
import os
import re
import uuid
from collections.abc import Iterator
from pathlib import Path

_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK)
_STAGING = re.compile(r".*(\.partial|#\d+)$")


def create_durably(path: Path, data: bytes) -> bool:
    """Create ``path`` with ``data``, flushed to the disk with its name; False where it exists.

    The name appears only with all of the bytes: a hard link to a finished file, which the system refuses when the name
    is taken.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    staging = path.with_name(f"{path.name}.{uuid.uuid4().hex}.partial")
    try:
        with staging.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        _link(staging, path)
    except FileExistsError:
        return False
    finally:
        staging.unlink(missing_ok=True)
    for folder in (path.parent, path.parent.parent):
        _flush_folder(folder)
    return True


def _link(staging: Path, path: Path) -> None:
    try:
        os.link(staging, path)
    except OSError as error:
        if error.errno in _NO_LINKS:
            raise OSError(
                errno.ENOTSUP,
                "this file system has no hard links, which a run needs; use another disk or s3://",
                str(path),
            ) from error
        raise


def staging_files(folder: Path) -> Iterator[Path]:
    """Files below ``folder`` that a killed writer may have left unfinished, by the ends of their names: ours
    (``.partial``) and obstore's (``#1``). Others may have files with such names too: see storage.place.
    """
    for parent, _, names in os.walk(folder):
        for name in names:
            if _STAGING.match(name):
                yield Path(parent) / name


def _flush_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
