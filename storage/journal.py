"""The append-only record of finished region-steps: the only truth about what is done.

    journal/00000000   header line, then one line a record; no record where a coordinator only says that it has come
    journal/00000001   ...

Every batch is a key of its own, created once and never changed. Two writers therefore meet at the next free number, and
the one who comes second learns it there.
"""

from __future__ import annotations

import json
import os
import re
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar

import google_crc32c
from pydantic import ConfigDict, TypeAdapter, ValidationError

from storage.objects.retrying import read_again
from storage.objects.root import ObjectRoot

from .errors import FencedError
from .records import checked_json, first_fault

_NUM_READERS = 16
_NUMBER = re.compile(r"[0-9]{8}|[1-9][0-9]{8,}")
"""names of batches, as we write them"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One finished piece of work, as the journal keeps it."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")
    """a member that is not known may change what a record means"""
    kind: str
    """which task it was, such as ``merge``"""
    stage: int
    step: int
    region: int
    crc32c: int
    """of the region's values, as RegionArray.write returned it"""
    attempt: int
    worker: str
    seconds: float
    extra: dict[str, Any] = field(default_factory=dict)
    """whatever else JSON can hold"""


def driver_record(kind: str, *, crc32c: int = 0, extra: dict[str, Any] | None = None) -> Record:
    """The record of a pass that the driver makes itself."""
    return Record(
        kind=kind,
        stage=0,
        step=0,
        region=0,
        crc32c=crc32c,
        attempt=0,
        worker="driver",
        seconds=0.0,
        extra=extra or {},
    )


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
        self._owner = owner or f"{socket.gethostname()}:{os.getpid()}"
        self._next: int | None = None
        self._replayed: list[Record] = []
        self._num_replayed = 0
        self._plan: str | None = None
        self._must_be_named = False
        self._generation: int | None = None
        """this coordinator's, once it has claimed the journal"""

    def expect(self, plan: str, *, must_be_named: bool = False) -> None:
        """Whose journal this is to be: batches of another plan are refused from now on, and new ones name this plan.

        ``plan`` is its hash. Batches that name no plan are refused too where ``must_be_named``: for those who have
        nothing else to tell whose they are.
        """
        if plan != self._plan or (must_be_named and not self._must_be_named):
            self._replayed, self._num_replayed = [], 0
        self._plan, self._must_be_named = plan, must_be_named

    def names(self, plan: str) -> bool:
        """Whether the journal was begun for the plan of this hash, as its first batch says."""
        try:
            return bool(self._header(_key(0), self._root.get(_key(0)))["plan"] == plan)
        except (KeyError, ValueError):
            return False

    def replay(self) -> list[Record]:
        """All records, in the order in which they were appended.

        Batches never change, so one that was replayed once is not read again. A record may occur twice (a fenced
        coordinator's last batch). Raises ValueError where a batch is missing, damaged, or of another plan, and
        FencedError where a newer coordinator than the one that claimed this journal has come.
        """
        keys = self._keys()
        if len(keys) < self._num_replayed:
            raise ValueError(f"{self._root.url}/{_key(len(keys))} was there a moment ago, and is gone: start again")
        unread = keys[self._num_replayed :]
        with ThreadPoolExecutor(_NUM_READERS) as pool:
            for records in pool.map(self._read, unread):
                self._replayed += records
                self._num_replayed += 1
        self._next = len(keys)
        return list(self._replayed)

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
            self._next = len(self._keys())
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
        self._next += 1

    def _read(self, key: str) -> list[Record]:
        """A batch's records; read again before it is called damaged or absent."""
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

    def _keys(self) -> list[str]:
        """Keys of all batches, in order. A listing with a gap, or one cut short, is not believed at once."""
        num = len(read_again(self._listed, ValueError))
        return [_key(number) for number in range(self._root.first_free(_key, num))]

    def _listed(self) -> list[str]:
        numbers = sorted(int(name) for name in self._names() if _NUMBER.fullmatch(name))
        for expected, number in enumerate(numbers):
            if number != expected:
                raise ValueError(f"{self._root.url}/{_key(expected)} is missing although later batches exist: {_MEND}")
        return [_key(number) for number in numbers]

    def _names(self) -> Iterator[str]:
        return (key.removeprefix("journal/") for key in self._root.list("journal"))

    def _parse(self, key: str, data: bytes) -> list[Record]:
        header = self._header(key, data)
        self._check_plan(key, header)
        if self._generation is not None and header["generation"] > self._generation:
            raise self._fenced(header, self._generation)
        _, _, body = data.partition(b"\n")
        try:
            return [_RECORDS.validate_json(line, strict=True) for line in body.splitlines()]
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
