"""Other seeds of one picture: runs of their own in a folder of the run's, RUN/sample-1, RUN/sample-2, ...."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

from actors.artifacts.series import look_at, run_exists
from storage.lease import Lease
from storage.ledger import Record, driver_record, of_kinds
from storage.objects.address import Address
from storage.run import RunStore

from .following import look_once
from .outcome import is_there

UNCERTAINTY = "uncertainty"
"""kind of the journal's record of the raster that they are compared in"""
ASKED = "samples"
"""kind of the record of which samples the last command asked for, by their plans; the newest counts"""
NOT_BEGUN = "not begun"
"""state of a sample that is still to come"""


def sample_address(run: Address, number: int) -> Address:
    """Where a sample's run is kept, from 1."""
    return run.child(f"sample-{number}")


def begun_samples(run: str) -> list[str]:
    """The runs of all samples that were begun, in order."""
    address = Address.parse(run)
    begun = itertools.takewhile(run_exists, (sample_address(address, number) for number in itertools.count(1)))
    return [str(one) for one in begun]


def asked_samples(records: Sequence[Record]) -> list[str]:
    """The hashes of the plans of the samples that belong to a run, by its journal."""
    return next((list(record.extra["samples"]) for record in reversed([*of_kinds(records, ASKED)])), [])


def note_samples(store: RunStore, lease: Lease, plans: Sequence[str]) -> None:
    """Keep in a run's journal which samples belong to it, before there is anything of them."""
    store.journal.append([driver_record(ASKED, extra={"samples": [*plans]})], lease.generation)


def are_compared(records: Sequence[Record]) -> bool:
    """Whether a raster of all samples that belong to the run is there, as it was written; true of none."""
    asked = asked_samples(records)
    rasters = (record for record in of_kinds(records, UNCERTAINTY) if record.extra["samples"] == asked)
    return not asked or any(is_there(record) for record in rasters)


def look_at_samples(run: str) -> dict[str, Any]:
    """What a run's status says of its samples; empty of a run without.

    ``samples``: the status of each that is asked for, see following.judge, NOT_BEGUN of those to come; ``compared``:
    whether all are, in a raster that is there. Those that were given up are not told of.
    """
    records = look_at(Address.parse(run)).journal.replay()
    asked = asked_samples(records)
    tables = [table for sample in begun_samples(run)[: len(asked)] for table, _ in look_once(sample)]
    tables += [{"state": NOT_BEGUN}] * (len(asked) - len(tables))
    return {"samples": tables, "compared": are_compared(records)} if tables else {}
