"""Other seeds of one picture: runs of their own in a folder of the run's, RUN/sample-1, RUN/sample-2, ...."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

from actors.artifacts.series import run_exists
from storage.journal import Record
from storage.objects.address import Address

from .following import look_once
from .outcome import is_there

UNCERTAINTY = "uncertainty"
"""kind of the journal's record of the raster that they are compared in"""


def sample_address(run: Address, number: int) -> Address:
    """Where a sample's run is kept, from 1."""
    return run.child(f"sample-{number}")


def begun_samples(run: str) -> list[str]:
    """The runs of all samples that were begun, in order."""
    address = Address.parse(run)
    begun = itertools.takewhile(run_exists, (sample_address(address, number) for number in itertools.count(1)))
    return [str(one) for one in begun]


def are_compared(records: Sequence[Record]) -> bool:
    """Whether the raster that the run's journal names is there, as it was written."""
    return any(is_there(record) for record in records if record.kind == UNCERTAINTY)


def look_at_samples(run: str) -> list[dict[str, Any]]:
    """The status of each that was begun: see following.judge."""
    return [table for sample in begun_samples(run) for table, _ in look_once(sample)]
