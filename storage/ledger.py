"""Records by the million: a sequence of them that keeps columns of numbers, and no object a record."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, overload

import numpy as np
from pydantic import ConfigDict


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


NUMBERS = {"stage": "<i4", "step": "<i4", "region": "<i8", "crc32c": "<i8", "attempt": "<i8", "seconds": "<f8"}
"""columns that hold a record's own numbers"""
TEXTS = ("kind", "worker", "extra")
"""columns that hold numbers of texts, each text kept once; of ``extra`` its JSON"""
_PENDING = 4096
"""records that wait to become columns together"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """The records of a ledger as arrays of one length."""

    numbers: Mapping[str, np.ndarray]
    """by the names of NUMBERS"""
    codes: Mapping[str, np.ndarray]
    """by TEXTS, int32: places in ``texts``"""
    texts: Mapping[str, tuple[str, ...]]

    def __len__(self) -> int:
        return len(self.codes["kind"])

    def taken(self, rows: np.ndarray) -> Columns:
        """Some of the records (indices, or bool), and the texts that these have."""
        codes, texts = {}, {}
        for name in TEXTS:
            used, codes[name] = np.unique(self.codes[name][rows], return_inverse=True)
            codes[name] = codes[name].astype(np.int32)
            texts[name] = tuple(self.texts[name][place] for place in used.tolist())
        return Columns(numbers={name: column[rows] for name, column in self.numbers.items()}, codes=codes, texts=texts)

    def record(self, row: int) -> Record:
        """One record, made anew."""
        stage, step, region, crc32c, attempt, seconds = (column[row].item() for column in self.numbers.values())
        kind, worker, extra = (self.texts[name][self.codes[name][row]] for name in TEXTS)
        return Record(
            kind=kind,
            stage=stage,
            step=step,
            region=region,
            crc32c=crc32c,
            attempt=attempt,
            worker=worker,
            seconds=seconds,
            extra=json.loads(extra),
        )

    def records(self, rows: np.ndarray | None = None) -> Iterator[Record]:
        """Each record, or some of them, made anew."""
        picked = slice(None) if rows is None else rows
        numbers = (column[picked].tolist() for column in self.numbers.values())
        kinds, workers, extras = (self.codes[name][picked].tolist() for name in TEXTS)
        texts = self.texts
        for kind, worker, extra, (stage, step, region, crc32c, attempt, seconds) in zip(
            kinds, workers, extras, zip(*numbers, strict=True), strict=True
        ):
            beside = texts["extra"][extra]
            yield Record(
                kind=texts["kind"][kind],
                stage=stage,
                step=step,
                region=region,
                crc32c=crc32c,
                attempt=attempt,
                worker=texts["worker"][worker],
                seconds=seconds,
                extra={} if beside == "{}" else json.loads(beside),
            )


class Ledger(Sequence[Record]):
    """Records in order; some 60 bytes each, and what their texts take."""

    def __init__(self, records: Iterable[Record] = ()) -> None:
        self._columns = _empty()
        self._parts: list[Columns] = []
        """that follow, not joined yet"""
        self._pending: list[Record] = []
        self.extend(records)

    @classmethod
    def of_columns(cls, columns: Columns) -> Ledger:
        ledger = cls()
        ledger._columns = columns
        return ledger

    def extend(self, records: Iterable[Record]) -> None:
        """Add records at the end. Raises ValueError for numbers that no record of ours has, now or when it is read."""
        self._pending += records
        if len(self._pending) >= _PENDING:
            self._settle()

    @property
    def columns(self) -> Columns:
        """All records."""
        self._settle()
        if self._parts:
            self._columns, self._parts = _joined([self._columns, *self._parts]), []
        return self._columns

    def copy(self) -> Ledger:
        """The same records; what is added to one is not in the other."""
        return Ledger.of_columns(self.columns)

    def taken(self, rows: np.ndarray) -> Ledger:
        """Some of the records: indices, or bool."""
        return Ledger.of_columns(self.columns.taken(rows))

    def of(self, *kinds: str) -> Iterator[Record]:
        """The records of some kinds, in order."""
        return self._where("kind", [kind in kinds for kind in self.columns.texts["kind"]])

    def beside(self, key: str) -> Iterator[Record]:
        """The records that have a key in ``extra``, in order."""
        quoted = json.dumps(key)
        found = self._where("extra", [quoted in text for text in self.columns.texts["extra"]])
        return (record for record in found if key in record.extra)

    def _where(self, name: str, wanted: list[bool]) -> Iterator[Record]:
        columns = self.columns
        return columns.records(np.flatnonzero(np.array(wanted, bool)[columns.codes[name]]))

    def layers(self) -> Iterator[tuple[str, int, np.ndarray, np.ndarray]]:
        """Kind by kind and step by step: kind, step, the regions of its records, and their places in the ledger.

        In the order in which they stand in the ledger.
        """
        columns = self.columns
        pairs = np.stack([columns.codes["kind"], columns.numbers["step"]]).astype(np.int64)
        order = np.lexsort((pairs[1], pairs[0]))
        changes = np.flatnonzero((np.diff(pairs[:, order]) != 0).any(axis=0)) + 1
        for rows in np.split(order, changes) if len(order) else ():
            kind, step = columns.texts["kind"][pairs[0, rows[0]]], int(pairs[1, rows[0]])
            yield kind, step, columns.numbers["region"][rows], rows

    def _settle(self) -> None:
        if self._pending:
            self._parts.append(_columns_of(self._pending))
            self._pending = []

    def __len__(self) -> int:
        return len(self._columns) + sum(len(part) for part in self._parts) + len(self._pending)

    def __iter__(self) -> Iterator[Record]:
        return self.columns.records()

    def __reversed__(self) -> Iterator[Record]:
        return self.columns.records(np.arange(len(self))[::-1])

    @overload
    def __getitem__(self, place: int) -> Record: ...
    @overload
    def __getitem__(self, place: slice) -> list[Record]: ...
    def __getitem__(self, place: int | slice) -> Record | list[Record]:
        if isinstance(place, slice):
            return list(self.columns.records(np.arange(len(self))[place]))
        return self.columns.record(range(len(self))[place])

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Ledger | list):
            return NotImplemented
        return len(self) == len(other) and all(mine == theirs for mine, theirs in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment]


def of_kinds(records: Sequence[Record], *kinds: str) -> Iterator[Record]:
    """Those of some kinds, in order: of a ledger without making the others."""
    return records.of(*kinds) if isinstance(records, Ledger) else (one for one in records if one.kind in kinds)


def _empty() -> Columns:
    return Columns(
        numbers={name: np.zeros(0, dtype) for name, dtype in NUMBERS.items()},
        codes={name: np.zeros(0, np.int32) for name in TEXTS},
        texts=dict.fromkeys(TEXTS, ()),
    )


def _columns_of(records: Sequence[Record]) -> Columns:
    texts: dict[str, dict[str, int]] = {name: {} for name in TEXTS}
    extras = (json.dumps(record.extra) if record.extra else "{}" for record in records)
    said = {"kind": (one.kind for one in records), "worker": (one.worker for one in records), "extra": extras}
    codes = {}
    for name, known in texts.items():
        places = (known.setdefault(text, len(known)) for text in said[name])
        codes[name] = np.fromiter(places, np.int32, len(records))
    numbers = {name: _numbers(name, [getattr(record, name) for record in records]) for name in NUMBERS}
    return Columns(numbers=numbers, codes=codes, texts={name: tuple(known) for name, known in texts.items()})


def _numbers(name: str, values: list[float]) -> np.ndarray:
    try:
        return np.array(values, NUMBERS[name])
    except OverflowError:
        raise ValueError(
            f"a record of the journal has the {name} {max(values, key=abs)}, which this version does not read: go on "
            "with the version that wrote it"
        ) from None


def _joined(parts: Sequence[Columns]) -> Columns:
    codes, texts = {}, {}
    for name in TEXTS:
        known: dict[str, int] = {}
        places = []
        for part in parts:
            own = [known.setdefault(text, len(known)) for text in part.texts[name]]
            places.append(np.array(own, np.int32)[part.codes[name]])
        codes[name], texts[name] = np.concatenate(places), tuple(known)
    numbers = {name: np.concatenate([part.numbers[name] for part in parts]) for name in NUMBERS}
    return Columns(numbers=numbers, codes=codes, texts=texts)
