"""A compacted journal: the records of all batches up to one that still tell of something, in one object of columns.

It is made of batches, which stay the truth: who cannot use it reads them. A head as theirs, then the columns.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass

import google_crc32c
import numpy as np

from storage.objects.root import ObjectRoot

from .ledger import NUMBERS, TEXTS, Columns, Ledger
from .records import checked_json

log = logging.getLogger(__name__)

FORMAT = 1
_NAME = re.compile(r"journal/upto-([0-9]{8}|[1-9][0-9]{8,})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """What a segment says of itself."""

    upto: int
    """how many batches it stands for, from the first"""
    last: str
    """nonce of the last of them: where that is another, these batches are gone and others have come"""
    generation: int
    """the newest of theirs"""
    plan: str
    """hash of the plan that all of them name"""
    num: int
    """records"""
    format: int = FORMAT
    crc32c: int = 0
    """of the rest of the head and of all that follows"""


def to_bytes(head: Head, ledger: Ledger) -> bytes:
    """One object; the head's ``crc32c`` is filled in."""
    columns = ledger.columns
    arrays = [columns.numbers[name] for name in NUMBERS] + [columns.codes[name] for name in TEXTS]
    texts = json.dumps({name: columns.texts[name] for name in TEXTS}).encode()
    body = b"".join(array.tobytes() for array in arrays) + texts
    table = asdict(head)
    return json.dumps(table | {"crc32c": _checksum(table, body)}).encode() + b"\n" + body


def from_bytes(data: bytes, *, where: str) -> tuple[Head, Ledger]:
    """What ``to_bytes`` made. Raises ValueError where it is damaged, or of another version."""
    line, _, body = data.partition(b"\n")
    table = checked_json(line, Head, where=where)
    head = Head(**{name: value for name, value in table.items() if name in Head.__slots__})
    if head.format != FORMAT:
        raise ValueError(f"{where} is of format {head.format}, this version reads {FORMAT}")
    if head.crc32c != _checksum(table, body):
        raise ValueError(f"{where} is damaged")
    start, arrays = 0, {}
    for name, kind in [*NUMBERS.items(), *((name, "<i4") for name in TEXTS)]:
        arrays[name] = np.frombuffer(body, kind, head.num, start)
        start += arrays[name].nbytes
    texts = {name: tuple(one) for name, one in json.loads(body[start:]).items()}
    numbers, codes = {name: arrays[name] for name in NUMBERS}, {name: arrays[name] for name in TEXTS}
    return head, Ledger.of_columns(Columns(numbers=numbers, codes=codes, texts=texts))


class Segments:
    """The segments of one journal."""

    def __init__(self, root: ObjectRoot) -> None:
        self._root = root

    def newest(self) -> Iterator[tuple[Head, Ledger]]:
        """Those that are whole and of this version, the newest first; others are told of and passed over."""
        for number in reversed(self._numbers()):
            try:
                head, ledger = from_bytes(self._root.get(_key(number)), where=f"{self._root.url}/{_key(number)}")
            except (KeyError, ValueError) as error:
                log.warning("a compacted journal is not used, its batches are read: %s", error)
                continue
            if head.upto == number:
                yield head, ledger

    def write(self, head: Head, ledger: Ledger, *, spare: int) -> None:
        """Keep one segment. Older ones go, but for the one of ``spare`` batches: this one may be damaged some day."""
        self._root.put_new(_key(head.upto), to_bytes(head, ledger), durable=True)
        for number in self._numbers():
            if number < spare:
                self._root.delete(_key(number))

    def _numbers(self) -> list[int]:
        """Of how many batches there are segments, ascending."""
        found = (_NAME.fullmatch(key) for key in self._root.list("journal", after="journal/u"))
        return sorted(int(match[1]) for match in found if match)


def _key(number: int) -> str:
    return f"journal/upto-{number:08d}"


def _checksum(table: dict[str, object], body: bytes) -> int:
    head = json.dumps({name: value for name, value in table.items() if name != "crc32c"})
    return int(google_crc32c.value(head.encode() + b"\n" + body))
