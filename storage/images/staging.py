"""A file that is made beside its final name, and gets that name in one step when it is finished."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from storage.errors import FULL

_SIDECAR = ".aux.xml"
_GROWTH = 1 << 20


@contextmanager
def staged(target: Path) -> Iterator[Path]:
    """Give a name beside ``target`` to write to; rename it (and GDAL's sidecar) at the end, remove it on an error.

    What a killed process of this machine left for the same target is removed first.
    """
    host = re.sub(r"[^A-Za-z0-9]", "_", socket.gethostname())
    _sweep(target, host)
    staging = target.with_name(f".{target.name}.{host}-{os.getpid()}.partial")
    try:
        yield staging
        _flush(staging)
        sidecar = staging.with_name(staging.name + _SIDECAR)
        target_sidecar = target.with_name(target.name + _SIDECAR)
        target_sidecar.unlink(missing_ok=True)
        staging.replace(target)
        if sidecar.exists():
            sidecar.replace(target_sidecar)
    finally:
        for leftover in _siblings(staging):
            leftover.unlink(missing_ok=True)


def no_room(staging: Path) -> OSError | None:
    """The system's error where the unfinished files of ``staging`` cannot grow any more; None where they can.

    GDAL does not say why a write has failed, so this tries one. The files are good for nothing afterwards.
    """
    for path in [*_siblings(staging), staging]:
        try:
            with path.open("ab") as file:
                file.write(bytes(_GROWTH))
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            if error.errno in FULL:
                return error
    return None


def _siblings(staging: Path) -> list[Path]:
    return [path for path in staging.parent.iterdir() if path.name.startswith(staging.name)]


def _sweep(target: Path, host: str) -> None:
    pattern = re.compile(rf"{re.escape(f'.{target.name}.{host}-')}(\d+)\.partial")
    for path in target.parent.iterdir():
        match = pattern.match(path.name)
        if match and not psutil.pid_exists(int(match[1])):
            path.unlink(missing_ok=True)


def _flush(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
