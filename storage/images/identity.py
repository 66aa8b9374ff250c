"""What an image is: the bytes of every file that it hangs on, wherever they lie."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence

from .place import find_place

_PIECE = 1 << 20


def file_sha256(path: str | os.PathLike[str]) -> str:
    """The sha256 of a file's bytes, or of those of a member of an archive; read in pieces."""
    digest = hashlib.sha256()
    with find_place(str(path)).open() as file:
        while piece := file.read(_PIECE):
            digest.update(piece)
    return digest.hexdigest()


def fingerprint(path: str, files: Sequence[str] = ()) -> str:
    """The sha256 of the bytes of the image ``path``, or, where it hangs on more ``files``, of the list of them all.

    A line of the list is a file's sha256 and its name from the image's folder, in which the image's own name is a star:
    neither a renamed nor a moved image is another one. All bytes are read, at the speed of the disk.
    """
    others = sorted({os.path.abspath(file) for file in files} - {os.path.abspath(path)})
    if not others:
        return file_sha256(path)
    folder, stem = os.path.dirname(path), os.path.splitext(os.path.basename(path))[0]
    lines = [f"{file_sha256(path)} *"]
    for other in others:
        name = os.path.relpath(other, folder)
        lines.append(f"{file_sha256(other)} {'*' + name[len(stem) :] if name.startswith(stem) else name}")
    return hashlib.sha256("\n".join(lines).encode("utf-8", "surrogateescape")).hexdigest()
