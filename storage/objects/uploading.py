"""Local files into a store, in parts where they are large: nobody sees anything of one that is not there whole."""

from __future__ import annotations

import hashlib
import mimetypes
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import obstore

from .integrity import DamagedOnTheWayError
from .root import ObjectRoot

PART = 8 << 20
"""bytes"""
_MOST_PARTS = 9000
"""of one object; S3 takes 10,000"""
_PARTS_AT_A_TIME, _FILES_AT_A_TIME = 4, 8
_TYPES = {".dzi": "application/xml", ".json": "application/json", ".webp": "image/webp", ".tif": "image/tiff"}


def upload(root: ObjectRoot, key: str, path: Path) -> None:
    """Write ``key`` from a file, over whatever is there.

    Raises what ObjectRoot.put raises. Where a store's tag is an MD5 it is held against the file, else the size is.
    """
    size = path.stat().st_size
    part = max(PART, -(-size // _MOST_PARTS))

    def ask() -> None:
        made = obstore.put(
            root.store,
            key,
            path,
            attributes={"Content-Type": content_type(path)},
            use_multipart=size > part,
            chunk_size=part,
            max_concurrency=_PARTS_AT_A_TIME,
        )
        if (made["e_tag"] or "").strip('"') == tag_of(path, part):
            return
        kept = obstore.head(root.store, key)["size"]
        if kept != size:
            raise DamagedOnTheWayError(f"{kept} of {size} bytes arrived")

    root.asked("write", key, ask)


def upload_all(root: ObjectRoot, files: Iterable[tuple[str, Path]]) -> None:
    """Write many keys, several at a time; the first error ends it."""
    with ThreadPoolExecutor(_FILES_AT_A_TIME) as pool:
        try:
            for _ in pool.map(lambda one: upload(root, *one), files):
                pass
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def tag_of(path: Path, part: int) -> str:
    """S3's entity tag of a file: its MD5, or that of the MD5s of its parts, and how many they are.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html
    """
    sums = []
    with path.open("rb") as file:
        while data := file.read(part):
            sums.append(hashlib.md5(data, usedforsecurity=False))
    if len(sums) <= 1:
        return (sums[0] if sums else hashlib.md5(usedforsecurity=False)).hexdigest()
    whole = hashlib.md5(b"".join(one.digest() for one in sums), usedforsecurity=False)
    return f"{whole.hexdigest()}-{len(sums)}"


def content_type(path: Path) -> str:
    """What browsers are to take a file for.

    >>> content_type(Path("a.dzi")), content_type(Path("0_0.png")), content_type(Path("c/0/0/0"))
    ('application/xml', 'image/png', 'application/octet-stream')
    """
    known = _TYPES.get(path.suffix.lower()) or mimetypes.guess_type(path.name)[0]
    return known or "application/octet-stream"


def look_up(root: ObjectRoot, key: str) -> tuple[int, str] | None:
    """Size and entity tag of one object; None where it is absent."""
    if not root.exists(key):
        return None
    found: Any = root.asked("look up", key, lambda: obstore.head(root.store, key))
    return found["size"], str(found["e_tag"])


def look_below(root: ObjectRoot, prefix: str) -> list[tuple[str, int, str]]:
    """Key, size and entity tag of all objects below a folder, in the order of the keys."""

    def ask() -> list[tuple[str, int, str]]:
        pages = obstore.list(root.store, prefix)
        return sorted((meta["path"], meta["size"], str(meta["e_tag"])) for page in pages for meta in page)

    found: list[tuple[str, int, str]] = root.asked("list", prefix, ask)
    return found
