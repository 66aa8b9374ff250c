"""The append-only record of finished region-steps: the only truth about what is done.

    journal/00000000   header line, then one line a record; no record where a coordinator only says that it has come
    journal/00000001   ...
    journal/upto-00001234   what the batches before that number still tell: see segment.py

Every batch is a key of its own, created once and never changed. Two writers therefore meet at the next free number, and
the second learns it there. A segment only saves reading: without one that is whole and fits, all batches are read.
"""

from __future__ import annotations

import json
import os
import re
import socket
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

import google_crc32c
import numpy as np
from pydantic import TypeAdapter, ValidationError

from storage.objects.retrying import read_again
from storage.objects.root import ObjectRoot

from . import segment
from .errors import FencedError
from .ledger import Ledger, Record, driver_record
from .records import checked_json, first_fault

__all__ = ["Journal", "Record", "driver_record"]

_NUM_READERS = 16
_NUMBER = re.compile(r"[0-9]{8}|[1-9][0-9]{8,}")
"""names of batches, as we write them"""
MOST_BATCHES = 2000
"""read one by one after a segment: each is an object to ask for"""
MOST_RECORDS = 200_000
"""read after a segment, unless it holds as many itself"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """The first line of a batch."""

    generation: int
    """the coordinator's lease"""
    owner: str
    time: str
    """in UTC, for people"""
    nonce: str
    """what tells a batch from another coordinator's equal one"""
    crc32c: int
    """of the rest of the line and of all records"""
    plan: str | None = None
    """hash of the plan whose work this is"""


_RECORDS: TypeAdapter[Record] = TypeAdapter(Record)


class Journal:
    """The journal of one run: replay it, then append to it. One thread at a time."""

    def __init__(self, root: ObjectRoot, *, owner: str | None = None) -> None:
        self._root = root
        self._segments = segment.Segments(root)
        self._owner = owner or f"{socket.gethostname()}:{os.getpid()}"
        self._next: int | None = None
        self._forget()
        self._plan: str | None = None
        self._must_be_named = False
        self._generation: int | None = None
        """this coordinator's, once it has claimed the journal"""

    def _forget(self) -> None:
        self._replayed = Ledger()
        self._num_replayed = 0
        """batches, from the first"""
        self._last = ""
        """nonce of the last of them"""
        self._newest = 0
        """generation among them"""
        self._all_named = True
        """whether all name the plan"""
        self._compacted = (0, 0)
        """batches that the last segment stands for, and records in it"""

    def expect(self, plan: str, *, must_be_named: bool = False) -> None:
        """Whose journal this is to be: batches of another plan are refused from now on, and new ones name this plan.

        ``plan`` is its hash. Batches that name no plan are refused too where ``must_be_named``: for those who have
        nothing else to tell whose they are.
        """
        if plan != self._plan or (must_be_named and not self._must_be_named):
            self._forget()
        self._plan, self._must_be_named = plan, must_be_named

    def names(self, plan: str) -> bool:
        """Whether the journal was begun for the plan of this hash, as its first batch says."""
        try:
            return bool(self._header(_key(0), self._root.get(_key(0)))["plan"] == plan)
        except (KeyError, ValueError):
            return False

    def replay(self) -> Ledger:
        """All records, in the order in which they were appended; of compacted batches those that still tell something.

        Batches never change: what was replayed, or written here, is not read again. A record may occur twice (a fenced
        coordinator's last batch). Raises ValueError where a batch is missing, damaged, or of another plan, and
        FencedError where a newer coordinator than the one that claimed this journal has come.
        """
        if not self._num_replayed:
            self._read_segment()
        num = self._count()
        if num < self._num_replayed:
            raise ValueError(f"{self._root.url}/{_key(num)} was there a moment ago, and is gone: start again")
        with ThreadPoolExecutor(_NUM_READERS) as pool:
            for header, records in pool.map(self._read, map(_key, range(self._num_replayed, num))):
                self._take(header, records)
        self._next = num
        return self._replayed.copy()

    def _take(self, header: dict[str, Any], records: Sequence[Record]) -> None:
        """One more batch is known."""
        self._replayed.extend(records)
        self._num_replayed += 1
        self._last = header["nonce"]
        self._newest = max(self._newest, header["generation"])
        self._all_named = self._all_named and self._plan is not None and header.get("plan") == self._plan

    @property
    def is_long(self) -> bool:
        """Whether a segment would spare the next coordinator much reading."""
        if self._plan is None or not self._all_named:
            return False
        batches, records = self._compacted
        many = len(self._replayed) - records >= max(MOST_RECORDS, records)
        return many or (self._next or 0) - batches >= MOST_BATCHES

    def compact(self, lasting: Callable[[Ledger], np.ndarray]) -> None:
        """Write a segment for all batches so far, which stay, of the records that ``lasting`` says (bool, one each).

        Others must be of no use to anybody: what they tell of is gone for good. Raises what ``replay`` does.
        """
        ledger = self.replay()
        if not self._all_named or not self._plan or not self._num_replayed:
            return  # of older versions: whose they are is told by plan.json alone
        kept = ledger.taken(lasting(ledger))
        upto = self._num_replayed
        head = segment.Head(upto=upto, last=self._last, generation=self._newest, plan=self._plan, num=len(kept))
        self._segments.write(head, kept, spare=self._compacted[0])
        self._replayed, self._compacted = kept, (upto, len(kept))

    def _read_segment(self) -> None:
        """Begin with the newest segment that fits this journal; with nothing where none does."""
        for head, ledger in self._segments.newest():
            fits = self._plan in (None, head.plan) and (self._generation is None or head.generation <= self._generation)
            if fits and self._nonce(head.upto - 1) == head.last:
                self._replayed, self._num_replayed, self._compacted = ledger, head.upto, (head.upto, len(ledger))
                self._last, self._newest = head.last, head.generation
                break

    def _nonce(self, number: int) -> str | None:
        """What tells a batch from any other; None where it is gone or damaged."""
        try:
            return str(self._header(_key(number), self._root.get(_key(number)))["nonce"])
        except (KeyError, ValueError):
            return None

    def append(self, records: list[Record], generation: int) -> None:
        """Append one batch, on the disk before it returns; nothing to do for an empty one.

        Raises FencedError where another coordinator of this generation or a newer one writes this journal.
        """
        if records:
            self._put(records, generation)

    def claim(self, generation: int) -> None:
        """Append a batch without records, so that older coordinators' next batches are refused from now on.

        Whoever takes a run over calls this before it replays. An older one that only slept would otherwise journal
        after the replay, then delete what its work has made useless and the new one counts on. Raises FencedError where
        a newer coordinator has come already.
        """
        self._generation = generation
        self._put([], generation)

    def _put(self, records: list[Record], generation: int) -> None:
        if self._next is None:
            self._next = self._count()
        data = _batch(records, generation, self._owner, self._plan)
        past = None
        while not self._root.put_new(_key(self._next), data, durable=True):
            if self._root.holds(_key(self._next), data):
                break
            present = self._root.get(_key(self._next))
            if present == past:
                raise OSError(f"{self._root.url} gives the same for every key of the journal: it cannot hold a run")
            past = present
            header = self._header(_key(self._next), present)
            if header["generation"] >= generation:
                raise self._fenced(header, generation)
            self._next += 1
        if self._next == self._num_replayed:
            self._take(json.loads(data.partition(b"\n")[0]), records)
        self._next += 1

    def _read(self, key: str) -> tuple[dict[str, Any], list[Record]]:
        """A batch's head and records; read again before it is called damaged or absent."""
        try:
            return read_again(lambda: self._parse(key, self._root.get(key)), ValueError, KeyError)
        except KeyError:
            raise ValueError(f"{self._root.url}/{key} was there a moment ago, and is gone: start again") from None

    def _fenced(self, header: dict[str, Any], generation: int) -> FencedError:
        return FencedError(
            f"generation {header['generation']}, {header['owner']}, took over the run {self._root.url} at "
            f"{header['time']}: this one, generation {generation}, stops"
        )

    def _check_plan(self, key: str, header: dict[str, Any]) -> None:
        plan = header.get("plan")
        if self._plan is None or plan == self._plan or (plan is None and not self._must_be_named):
            return
        whose = "names no plan, as older versions wrote it" if plan is None else f"is of the plan {plan[:12]}"
        raise ValueError(
            f"{self._root.url}/{key} {whose}, this is the plan {self._plan[:12]}: start the command that began the run "
            f"again, give another place, or delete the whole of {self._root.url}"
        )

    def _count(self) -> int:
        """Number of batches. A listing with a gap, or one cut short, is not believed at once."""
        return self._root.first_free(_key, read_again(self._listed, ValueError))

    def _listed(self) -> int:
        """The same, as the store lists them; of those that a segment stands for only the last is looked for."""
        start = max(0, self._compacted[0] - 1)
        keys = self._root.list("journal", after=_key(start)[:-1] if start else "")
        names = (key.removeprefix("journal/") for key in keys)
        numbers = sorted(number for name in names if _NUMBER.fullmatch(name) and (number := int(name)) >= start)
        for expected, number in enumerate(numbers, start):
            if number != expected:
                raise ValueError(f"{self._root.url}/{_key(expected)} is missing although later batches exist: {_MEND}")
        return start + len(numbers)

    def _parse(self, key: str, data: bytes) -> tuple[dict[str, Any], list[Record]]:
        header = self._header(key, data)
        self._check_plan(key, header)
        if self._generation is not None and header["generation"] > self._generation:
            raise self._fenced(header, self._generation)
        _, _, body = data.partition(b"\n")
        try:
            return header, [_RECORDS.validate_json(line, strict=True) for line in body.splitlines()]
        except ValidationError as error:  # whole, so of another version
            raise ValueError(
                f"{self._root.url}/{key} holds a record that this version does not read ({first_fault(error)}): go on "
                "with the version that wrote it"
            ) from None

    def _header(self, key: str, data: bytes) -> dict[str, Any]:
        """A batch's head, when the batch is whole."""
        head, _, body = data.partition(b"\n")
        where = f"{self._root.url}/{key}"
        try:
            header: dict[str, Any] = checked_json(head, Header, where=where)
        except ValueError as error:
            raise ValueError(f"{where} is damaged: {_MEND}") from error
        if header["crc32c"] != _checksum(header, body):
            raise ValueError(f"{where} is damaged: {_MEND}")
        return header


_MEND = "restore the file from a copy, or delete it and all later ones to lose only that work"


def _key(number: int) -> str:
    return f"journal/{number:08d}"


def _batch(records: list[Record], generation: int, owner: str, plan: str | None = None) -> bytes:
    body = "".join(json.dumps(asdict(record), separators=(",", ":")) + "\n" for record in records).encode()
    header = {
        "generation": generation,
        "owner": owner,
        "plan": plan,
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "nonce": os.urandom(8).hex(),
    }
    return json.dumps({**header, "crc32c": _checksum(header, body)}).encode() + b"\n" + body


def _checksum(header: dict[str, Any], body: bytes) -> int:
    """The crc32c of a batch: of all that its head says beside it, and of its records."""
    head = json.dumps({name: value for name, value in header.items() if name != "crc32c"})
    return int(google_crc32c.value(head.encode() + b"\n" + body))
