"""What an image is: the bytes of every file that it hangs on, wherever they lie."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence

from .place import Place, find_place

_PIECE = 1 << 20


def file_sha256(path: str | os.PathLike[str]) -> str:
    """The sha256 of a file's bytes, or of those of a member of an archive; read in pieces. A URL's: see remote.py."""
    digest = hashlib.sha256()
    place = find_place(str(path))
    if place.remote is not None:
        return place.remote.fingerprint()
    with place.open() as file:
        while piece := file.read(_PIECE):
            digest.update(piece)
    return digest.hexdigest()


def fingerprint(path: str, files: Sequence[str] = ()) -> str:
    """The sha256 of the bytes of the image ``path``, or, where it hangs on more ``files``, of the list of them all.

    A line of the list is a file's sha256 and its name from the image's folder, in which the image's own name is a star:
    neither a renamed nor a moved image is another one. All bytes are read, at the speed of the disk. Of one image of
    many in a file, which one it is counts, too.
    """
    place = find_place(path)
    own = place.path
    others = sorted({os.path.abspath(file) for file in files} - {os.path.abspath(name) for name in (path, own)})
    if not others:
        return with_words(file_sha256(own), words_of(place))
    folder, stem = os.path.dirname(own), os.path.splitext(os.path.basename(own))[0]
    lines = [f"{file_sha256(own)} *"]
    for other in others:
        name = os.path.relpath(other, folder)
        lines.append(f"{file_sha256(other)} {'*' + name[len(stem) :] if name.startswith(stem) else name}")
    joined = hashlib.sha256("\n".join(lines).encode("utf-8", "surrogateescape")).hexdigest()
    return with_words(joined, words_of(place))


def words_of(place: Place) -> str:
    """Which image of a file is meant, "" for its only one."""
    return f"{place.before}*{place.behind}" if place.before else ""


def with_words(digest: str, words: str) -> str:
    """``digest``, and what tells one image of the same bytes from another; itself for no words."""
    return hashlib.sha256(f"{digest} {words}".encode("utf-8", "surrogateescape")).hexdigest() if words else digest
