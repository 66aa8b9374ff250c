"""The run store: everything a run keeps, at one URL.

plan.json            what to compute; written once
z/<stage>/s0007 ...  arrays, one a step
journal/00000042     what is done
lease/0003           who may write
status.json          progress, for people and tools
blobs/...            small records
"""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from numpy.typing import DTypeLike

from storage.objects.address import Address
from storage.objects.root import ObjectRoot

from .arrays import RegionArray, describe_array, is_description
from .box import RegionGrid
from .documents import parse_json
from .errors import MissingRegionError
from .journal import Journal
from .lease import Lease
from .place import is_aside

log = logging.getLogger(__name__)

_PLAN = "plan.json"
_STATUS = "status.json"


@dataclass(frozen=True)
class RunStore:
    """The store of one run; pickles as its address."""

    root: ObjectRoot

    @classmethod
    def open(cls, url: str | Address, *, create: bool = True) -> RunStore:
        """Open the run at an address (a path, s3://, gs:// or az://; see storage.objects.address).

        With ``create`` the place is made and probed first; without it, an absent folder is a FileNotFoundError. Raises
        OSError with one line where the place cannot hold a run.
        """
        root = ObjectRoot.open(url, create=create)
        if create:
            root.probe()
        return cls(root)

    def __reduce__(self) -> tuple[Any, ...]:
        return RunStore, (self.root,)

    @property
    def url(self) -> str:
        return self.root.url

    def write_plan(self, data: bytes, *, over: bool = False) -> None:
        """Store the plan; the same plan again is fine. Raises ValueError where another plan is there, unless ``over``:
        for whoever holds the lease of a run whose journal names the plan."""
        if self.root.put_new(_PLAN, data, durable=True) or self.root.holds(_PLAN, data):
            return
        if over:
            self.root.put(_PLAN, data)
        else:
            raise ValueError(f"{self.url} holds a run of another plan; choose another place, or delete the whole of it")

    def read_plan(self) -> bytes | None:
        """The plan's bytes; None where no run is here."""
        return self._get(_PLAN)

    def array(
        self,
        name: str,
        *,
        channels: int,
        grid: RegionGrid,
        dtype: DTypeLike,
        compress: bool = False,
        no_data: str | None = None,
    ) -> RegionArray:
        """Make the array ``name``, or open it where it is there already. Any number of callers may race.

        What describes it is written again where it is damaged, or says anything else: of a run, whose plan the
        journal names, it is known what every array must be. ``no_data`` as describe_array has it.
        """
        wanted = describe_array(channels=channels, grid=grid, dtype=dtype, compress=compress, no_data=no_data)
        key = f"{name}/zarr.json"
        if not self.root.put_new(key, wanted.encode(), durable=True):
            present = _parsed(self._get(key) or b"")
            if present != json.loads(wanted):
                log.warning("%s/%s is damaged: it is written again", self.url, key)
                self.root.delete(key)
                self.root.put_new(key, wanted.encode(), durable=True)
        return RegionArray(root=self.root, name=name, metadata=wanted)

    def open_array(self, name: str) -> RegionArray:
        """Open the array ``name``, whose metadata is read once a process.

        Raises MissingRegionError where it is absent, ValueError where it is damaged.
        """
        if name not in self._opened:
            metadata = self._get(f"{name}/zarr.json")
            if metadata is None:
                raise MissingRegionError(f"no array {name} in {self.url}")
            if not is_description(_parsed(metadata)):
                raise ValueError(
                    f"{self.url}/{name}/zarr.json is damaged: start the run's own command again, which writes it anew"
                )
            self._opened[name] = RegionArray(root=self.root, name=name, metadata=metadata.decode())
        return self._opened[name]

    def has_array(self, name: str) -> bool:
        return self.root.exists(f"{name}/zarr.json")

    def delete_array(self, name: str) -> None:
        """Remove an array and all its regions; an absent one is fine."""
        if self.has_array(name):
            self.open_array(name).delete_all()
        self._opened.pop(name, None)

    @cached_property
    def _opened(self) -> dict[str, RegionArray]:
        """Arrays by name: what describes one never changes while it is there."""
        return {}

    @cached_property
    def journal(self) -> Journal:
        return Journal(self.root)

    def acquire_lease(
        self, owner: str, *, plan: str | None = None, heartbeat_s: float = 2.0, patience: int = 3
    ) -> Lease:
        """Take the right to write to this run, and to its journal; see :meth:`Lease.acquire`, :meth:`Journal.claim`.

        ``plan`` is the hash of the run's plan, which lease and journal then name. What the journal says must be read,
        or read again, after this.
        """
        lease = Lease.acquire(self.root, owner=owner, plan=plan, heartbeat_s=heartbeat_s, patience=patience)
        if plan is not None:
            self.journal.expect(plan)
        self.journal.claim(lease.generation)
        return lease

    def write_status(self, status: dict[str, Any]) -> None:
        """Replace ``status.json``; readers see the old one or the new one, whole."""
        self.root.put(_STATUS, json.dumps(status, indent=1).encode())

    def read_status(self) -> bytes | None:
        """What was written last, not checked; None where nothing was."""
        return self._get(_STATUS)

    def put_blob(self, name: str, data: bytes) -> None:
        """Store a small record, over an older one of that name."""
        self.root.put(f"blobs/{name}", data)

    def put_blob_new(self, name: str, data: bytes) -> bool:
        """Store a small record once; False, and nothing changed, where the name is taken."""
        return self.root.put_new(f"blobs/{name}", data, durable=True)

    def delete_blob(self, name: str) -> None:
        """Remove a small record; an absent one is fine."""
        self.root.delete(f"blobs/{name}")

    def get_blob(self, name: str) -> bytes | None:
        return self._get(f"blobs/{name}")

    def sweep(self) -> int:
        """Remove keys of the run that killed writers left half-written; returns how many files.

        Only the lease's holder may call it.
        """
        return self.root.sweep(is_aside)

    def usage(self) -> dict[str, int]:
        """Bytes in use by part: ``z``, ``journal``, ``pixels`` and so on."""
        return self.root.sizes()

    def _get(self, key: str) -> bytes | None:
        try:
            return self.root.get(key)
        except KeyError:
            return None


def _parsed(data: bytes) -> dict[str, Any] | None:
    """A JSON object; None for what is none, such as a file that a power cut left empty."""
    try:
        table: Any = parse_json(data, where="here")
    except ValueError:
        return None
    return table if isinstance(table, dict) else None
