"""What is to be deleted from a run, in batches: nothing goes before a look at who may write to the run.

A process that slept while another took the run over still holds the plan of deletions that it made before.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from storage.arrays import RegionArray
from storage.run import RunStore

MOST = 256
"""regions deleted between two looks at the lease"""


@dataclass(slots=True)
class Bin:
    """Collects regions and blobs, and deletes them when it is full or emptied."""

    store: RunStore
    check: Callable[[], None]
    """raises FencedError where a newer coordinator has taken over"""
    num_deleted: int = 0
    """regions so far"""
    _regions: list[tuple[RegionArray, int]] = field(default_factory=list)
    _blobs: list[str] = field(default_factory=list)

    def add(self, array: RegionArray, region: int) -> None:
        self._regions.append((array, region))
        if len(self._regions) >= MOST:
            self.empty()

    def add_blob(self, name: str) -> None:
        self._blobs.append(name)

    def empty(self) -> None:
        """Delete what was collected."""
        if not self._regions and not self._blobs:
            return
        self.check()
        for array, region in self._regions:
            array.delete(region)
        for name in self._blobs:
            self.store.delete_blob(name)
        self.num_deleted += len(self._regions)
        self._regions.clear()
        self._blobs.clear()
