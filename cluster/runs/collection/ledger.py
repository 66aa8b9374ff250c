"""What became of each picture of a collection: kept in its journal, so that the same command goes on where it ended.

RUN/journal/  RUN/lease/  RUN/status.json     the collection's own
RUN/blobs/collection.json                     which pictures the last command asked for
RUN/pictures/NAME/                            a run each, as one of a picture alone
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from actors.artifacts.series import last_stage, run_exists
from actors.heartbeat import keep_beating
from cluster.console.surroundings import owner
from cluster.runs.outcome import is_there
from storage.documents import parse_json
from storage.journal import Record, driver_record
from storage.lease import Lease
from storage.objects.address import Address
from storage.objects.root import ObjectRoot
from storage.place import check_place
from storage.run import RunStore

log = logging.getLogger(__name__)

PICTURE = "picture"
"""kind of the journal's record of what became of a picture; the newest of its name counts"""
DONE, FAILED = "done", "failed"
_MARK = "collection.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fate:
    """What became of a picture."""

    name: str
    """of the result, below OUTPUT"""
    state: str
    input: str
    asked: str
    """digest of what was asked for"""
    stamp: str
    """of its files then"""
    reason: str = ""
    """why it failed, in one line"""
    seconds: float = 0.0
    facts: dict[str, Any] | None = None
    """of the result, see outcome.facts_of"""

    def record(self) -> Record:
        facts = self.facts or {}
        plain = {
            name: getattr(self, name) for name in ("name", "state", "input", "asked", "stamp", "reason", "seconds")
        }
        return driver_record(PICTURE, extra={**plain, **facts})

    @classmethod
    def of(cls, record: Record) -> Fate:
        known = {name: record.extra[name] for name in cls.__slots__ if name in record.extra}
        facts = {name: value for name, value in record.extra.items() if name not in known}
        return cls(**known, facts=facts or None)

    def holds(self, asked: str, stamp: str) -> bool:
        """Whether it is still so: the same was asked of the same files, and the result is there as it was written."""
        if (self.asked, self.stamp) != (asked, stamp) or not stamp:
            return False
        return self.state == FAILED or is_there(self.record())


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """The fates of a collection's pictures, and the right to write them."""

    store: RunStore
    lease: Lease

    def fates(self) -> dict[str, Fate]:
        """The newest of each picture, by name."""
        return fates_of(self.store)

    def note(self, fates: Sequence[Fate]) -> None:
        """Keep what became of pictures."""
        if fates:
            self.store.journal.append([fate.record() for fate in fates], self.lease.generation)

    def note_names(self, names: Sequence[str]) -> None:
        """Keep which pictures are asked for."""
        self.store.put_blob(_MARK, json.dumps({"format": 1, "pictures": [*names]}, indent=1).encode())


def fates_of(store: RunStore) -> dict[str, Fate]:
    """The newest of each picture, by name."""
    return {record.extra["name"]: Fate.of(record) for record in store.journal.replay().of(PICTURE)}


@contextmanager
def ledger_at(address: Address, as_written: str) -> Iterator[Ledger]:
    """The ledger at a collection's place, begun or not, for this process alone as long as the block runs.

    Raises ValueError for a place that holds something else, RunBusyError where another command is at work there.
    """
    if run_exists(address) or last_stage(address):
        raise ValueError(f"--run {as_written}: holds the run of one picture, and many are asked for: give another")
    store = RunStore.open(address)
    check_place(store.root)
    lease = store.acquire_lease(owner())
    try:
        with keep_beating(lease):
            yield Ledger(store=store, lease=lease)
    except BaseException:
        try:
            lease.release()
        except OSError as unreleased:
            log.warning("the lease of the collection could not be given back: %s", unreleased)
        raise
    lease.release()


def names_in(run: str | Address) -> list[str] | None:
    """The pictures that a collection was last asked for; None where a place holds no collection. Only reads."""
    try:
        root = ObjectRoot.open(run, create=False)
        data = root.get(f"blobs/{_MARK}")
    except (KeyError, FileNotFoundError):
        return None
    table = parse_json(data, where=f"{run}/blobs/{_MARK}")
    return [str(name) for name in table["pictures"]]
