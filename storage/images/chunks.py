"""The chunks of a PNG file: reading those that say something of the picture, and adding some to a finished file."""

from __future__ import annotations

import shutil
import struct
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

SIGNATURE = b"\x89PNG\r\n\x1a\n"
TEXT = (b"tEXt", b"zTXt", b"iTXt")
COLOUR = (b"gAMA", b"cHRM", b"sRGB", b"cICP")
"""chunks that say how the numbers are to be shown"""
_WANTED = (*TEXT, *COLOUR, b"eXIf")
_HEADER_BYTES = 33
_MOST_BYTES = 16 << 20
"""of one chunk, and of a text that is unpacked"""

Chunk = tuple[bytes, bytes]
"""name and body"""


def read_chunks(file: BinaryIO) -> Iterator[Chunk]:
    """The text, colour and EXIF chunks of an open PNG file, also behind the pixels; damaged ones are passed over."""
    file.seek(len(SIGNATURE))
    while len(head := file.read(8)) == 8:
        length, name = struct.unpack(">I4s", head)
        if name == b"IEND":
            return
        if name not in _WANTED or length > _MOST_BYTES:
            file.seek(length + 4, 1)
            continue
        body, check = file.read(length), file.read(4)
        if check == struct.pack(">I", zlib.crc32(name + body)):
            yield name, body


def insert_chunks(path: Path, chunks: Sequence[Chunk]) -> None:
    """Give a finished PNG file ``chunks`` behind its header, the only place where it may grow: it is copied once."""
    if not chunks:
        return
    grown = path.with_name(f"{path.name}.chunks")
    with path.open("rb") as source, grown.open("wb") as target:
        target.write(source.read(_HEADER_BYTES))
        for name, body in chunks:
            target.write(struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body)))
        shutil.copyfileobj(source, target, 1 << 20)
    grown.replace(path)


def text_of(name: bytes, body: bytes) -> tuple[str, str] | None:
    """Keyword and text of a text chunk; None for one that cannot be read."""
    keyword, found, rest = body.partition(b"\0")
    if not found:
        return None
    key = keyword.decode("latin-1")
    try:
        if name == b"tEXt":
            return key, rest.decode("latin-1")
        if name == b"zTXt":
            return key, _unpacked(rest[1:]).decode("latin-1")
        is_packed, (_language, _translated, text) = rest[0], rest[2:].split(b"\0", 2)
        return key, (_unpacked(text) if is_packed else text).decode("utf-8")
    except (ValueError, IndexError, zlib.error):
        return None


def text_chunk(keyword: str, text: str) -> Chunk:
    """A chunk that says ``text``: plain where Latin-1 has its letters, else in UTF-8.

    >>> text_chunk("Title", "Caf\\xe9")
    (b'tEXt', b'Title\\x00Caf\\xe9')
    """
    key = keyword.encode("latin-1", "replace")[:79]
    try:
        return b"tEXt", key + b"\0" + text.encode("latin-1")
    except UnicodeEncodeError:
        return b"iTXt", key + b"\0\0\0\0\0" + text.encode("utf-8")


def _unpacked(packed: bytes) -> bytes:
    unpacking = zlib.decompressobj()
    text = unpacking.decompress(packed, _MOST_BYTES)
    if unpacking.unconsumed_tail:
        raise ValueError("more text than is taken")
    return text
