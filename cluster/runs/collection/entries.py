"""The pictures of a collection: each with the job that makes it, alone or among others."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cluster.collection import Collection
from cluster.job import Job, parse_pages
from cluster.machines.warm import LentJob, WarmBackend
from cluster.runs.settings import asked_recipe
from storage.errors import ImageError
from storage.images.opened import stamp_of
from storage.images.source import num_pages

from .inputs import expand
from .names import Named, check_distinct, check_pattern, fill
from .rows import Row, read_rows

PICTURES = "pictures"
"""the folder of their runs in the collection's"""
_OF_NO_BYTE = ("output", "run", "workers", "address", "allow_open_cluster", "overwrite", "tagger_gpu", "backend")
"""fields that change nothing of a result"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One picture."""

    name: str
    """of its result, below OUTPUT"""
    job: Job

    @property
    def input(self) -> str:
        """What people know it by."""
        given = self.job.input if isinstance(self.job.input, str) else ", ".join(self.job.input)
        return given if self.job.pages is None else f"{given}, page {self.job.pages}"

    def stamp(self) -> str:
        """What tells that its files are what they were; "" where nothing does without opening them."""
        names = [self.job.input] if isinstance(self.job.input, str) else list(self.job.input)
        beside = [name for name in (self.job.tags, self.job.difficulty, self.job.textures, self.job.vocabulary) if name]
        return stamp_of([*names, *beside]) if all(map(os.path.isfile, names)) else ""

    def size(self) -> int:
        """Bytes of its files, as far as they are on this machine."""
        names = [self.job.input] if isinstance(self.job.input, str) else self.job.input
        return sum(os.stat(name).st_size for name in names if os.path.isfile(name))

    def digest(self, model: str) -> str:
        """What is asked for, beside the picture itself; ``model``: the model's fingerprint."""
        names = [field.name for field in dataclasses.fields(self.job) if field.name not in _OF_NO_BYTE]
        asked: dict[str, Any] = {name: getattr(self.job, name) for name in names}
        asked |= {"recipe": dataclasses.asdict(asked_recipe(self.job)), "model": model}
        return hashlib.sha256(json.dumps(asked, sort_keys=True, default=str).encode()).hexdigest()


def entries_of(job: Collection, backend: WarmBackend) -> list[Entry]:
    """All pictures, in order, their names checked. Raises ValueError or FileNotFoundError, one line."""
    check_pattern(job.name)
    rows = [Row(input=name) for name in expand(job.inputs, trust=job.trust_input)]
    if job.list_file is not None:
        rows += read_rows(Path(job.list_file))
    if not rows:
        raise ValueError("expected INPUT, pictures, before OUTPUT; or a list of them, --list FILE")
    made = [entry for number, row in enumerate(rows, 1) for entry in _of_row(job, row, number, backend)]
    check_distinct([entry.name for entry in made], [entry.input for entry in made])
    return made


def _of_row(job: Collection, row: Row, number: int, backend: WarmBackend) -> list[Entry]:
    said = {field.name: getattr(job, field.name) for field in dataclasses.fields(Job)} | row.said
    try:
        return [_entry(job, row, number, page, {**said, "backend": backend}) for page in _pages(row, said["pages"])]
    except ValueError as e:
        raise ValueError(f"{row.where}: {e}" if row.where else str(e)) from e


def _entry(job: Collection, row: Row, number: int, page: int | None, said: dict[str, Any]) -> Entry:
    first = row.input if isinstance(row.input, str) else row.input[0]
    name = fill(job.name, Named(input=first, number=number, page=page, output=row.output))
    said |= {
        "input": row.input,
        "output": f"{job.output.rstrip('/')}/{name}",
        "run": f"{str(job.run_address).rstrip('/')}/{PICTURES}/{name}",
        "pages": said["pages"] if page is None else str(page),
    }
    return Entry(name=name, job=LentJob(**said))


def _pages(row: Row, asked: str | None) -> Sequence[int | None]:
    """The pages that become a picture each; of a file that cannot be opened the first: that will say why."""
    span = parse_pages(asked)
    if span is None or span[0] == span[1]:
        return [None]
    first, last = span
    if not isinstance(row.input, str):
        raise ValueError(f"--pages {asked}: expected one INPUT file a picture; several are bands of one scene")
    if last is None:
        try:
            last = num_pages(row.input)
        except (ImageError, OSError):
            last = first
    return range(first, last + 1)
