"""Whether a result can be written to a place, asked before a run starts."""

from __future__ import annotations

import errno
import math
import os
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from storage.errors import StorageFullError

from .delivery import Delivery, address_of
from .folders import check_replaceable
from .formats import check_fits, format_of
from .info import ImageInfo
from .limits import Format
from .target import check_apart, real_target, stale_files

_MOST_WITH_ALPHA = 4


def check_output(
    path: str | os.PathLike[str],
    *,
    overwrite: bool,
    height: int | None = None,
    width: int | None = None,
    num_bands: int = 3,
    dtype: str = "uint8",
    inputs: Iterable[str | os.PathLike[str] | None] = (),
    info: ImageInfo | None = None,
) -> None:
    """Check, before a run starts, that its result can be written to ``path``.

    ``path``: a file or a folder, or a URL of a store. ``inputs``: files and folders that the command reads, none of
    which may be the result or its sidecar. A link is followed: the file that it leads to is what is written. ``info``:
    of the image that is enlarged, which decides what is written of it.

    Raises ImageError (suffix, size, bits), ValueError (an input, too long a name, a pipe), FileExistsError,
    FileNotFoundError or NotADirectoryError (the folder), PermissionError or OSError (the folder cannot be written),
    StorageFullError (too little room here, where it is made; only where height and width, in pixels of the result, are
    given).
    """
    wanted = format_of(Path(path), info)
    address = address_of(path)
    if address is None:
        folder = _check_local(path, wanted, overwrite=overwrite, inputs=list(inputs))
    else:
        Delivery(address=address, wanted=wanted).check(overwrite=overwrite, inputs=inputs)
        folder = Path(tempfile.gettempdir())
    if height is not None and width is not None:
        num_colours = num_bands if info is None else info.num_bands
        if info is not None or num_bands > _MOST_WITH_ALPHA:
            check_fits(Path(path), height=height, width=width, dtype=dtype, num_colours=num_colours)
        else:  # one of them may be alpha
            check_fits(Path(path), height=height, width=width, dtype=dtype)
        raw = height * width * num_bands * np.dtype(dtype).itemsize
        _check_room(folder, math.ceil(raw * wanted.disk_per_raw_byte))


def _check_local(
    path: str | os.PathLike[str], wanted: Format, *, overwrite: bool, inputs: list[str | os.PathLike[str] | None]
) -> Path:
    """The folder in which it is made."""
    target = real_target(path)
    _check_kind(target, wanted)
    check_apart(target, inputs)
    stale = [target] if _is_there(target) else stale_files(target, [str(name) for name in inputs if name])
    if stale and not overwrite:
        raise FileExistsError(f"{stale[0]} exists; choose another name, or allow overwriting (--overwrite)")
    _check_writable(target.parent, target)
    return target.parent


def _is_there(target: Path) -> bool:
    return any(target.iterdir()) if target.is_dir() else target.exists()


def _check_kind(target: Path, wanted: Format) -> None:
    """Refuse what is not the place of a file, or of a folder where the format is one."""
    folder = target.parent
    if not folder.exists():
        raise FileNotFoundError(f"cannot write {target}: there is no folder {folder}; make it first")
    if not folder.is_dir():
        raise NotADirectoryError(f"cannot write {target}: {folder} is a file; choose another place")
    check_replaceable(target, wanted)
    if (
        not wanted.is_folder and target.exists() and not target.is_file()
    ):  # a file put in its place would be the end of /dev/null
        raise ValueError(f"cannot write {target}: it is a pipe or a device; name a file")


def _check_writable(folder: Path, target: Path) -> None:
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise type(error)(
            f"cannot write {target}: {folder} takes no files ({error.strerror}); choose another"
        ) from error


def _check_room(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise StorageFullError(
            errno.ENOSPC,
            f"about {needed / 1e9:.1f} GB are needed to write the result, {free / 1e9:.1f} GB are free; make room",
            str(folder),
        )
