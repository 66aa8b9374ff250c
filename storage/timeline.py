"""What workers did when: kept in a run for people, in segments. Nothing is decided by it, and it may have gaps.

    timeline/00000003-00000000    the first segment of the coordinator of generation 3: a JSON table, packed by zlib

Tasks are columns of equal length, so that a million of them are read at once. Moments are seconds since 1970.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Annotated, Any

from pydantic import Field

from storage.objects.root import ObjectRoot

from .place import is_aside
from .records import checked_json, from_table

FOLDER = "timeline"
_MOST_BYTES = 1 << 28
"""of a segment, unpacked"""

Moment = Annotated[float, Field(ge=0, le=1e11, allow_inf_nan=False)]
Seconds = Annotated[float, Field(ge=0, le=1e9, allow_inf_nan=False)]
Offset = Annotated[float, Field(ge=-1e11, le=1e11, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0, le=1 << 40)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """Finished tasks, one a place."""

    kind: tuple[str, ...] = ()
    step: tuple[Count, ...] = ()
    region: tuple[Count, ...] = ()
    worker: tuple[Count, ...] = ()
    """place in the segment's ``workers``"""
    ended: tuple[Moment, ...] = ()
    """by the worker's clock"""
    seconds: tuple[Seconds, ...] = ()
    backbone: tuple[Seconds, ...] = ()
    """of these, inside the model"""
    lag: tuple[Offset, ...] = ()
    """seconds from ``ended`` until the coordinator knew, by its own clock: what two clocks differ by is in it"""
    counts: tuple[bool, ...] = ()
    """whether the result was of use; False where another attempt was first"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """Something that is no task, by the coordinator's clock."""

    time: Moment
    what: str
    """stage, joined, gone, refused or failed"""
    worker: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A piece of one coordinator's timeline."""

    generation: Count
    number: Count
    workers: tuple[str, ...] = ()
    tasks: Columns = field(default_factory=Columns)
    happenings: tuple[Happening, ...] = ()
    requeues: dict[str, Count] = field(default_factory=dict)
    """tasks handed out again so far, by cause"""


def write_segment(root: ObjectRoot, segment: Segment) -> None:
    """Keep a segment. Raises OSError where the store does not take it."""
    data = json.dumps(asdict(segment), separators=(",", ":")).encode()
    root.put(f"{FOLDER}/{segment.generation:08d}-{segment.number:08d}", zlib.compress(data, 6))


def read_segments(root: ObjectRoot) -> Iterator[Segment | str]:
    """All segments in their order; in place of one that cannot be read a line that says so."""
    for key in sorted(root.list(FOLDER)):
        if is_aside(key):
            continue
        try:
            yield _parse(root.get(key), where=f"{root.url}/{key}")
        except KeyError:
            yield f"{root.url}/{key} is gone"
        except (ValueError, zlib.error) as e:
            yield f"{root.url}/{key} cannot be read: {e}"


def _parse(data: bytes, *, where: str) -> Segment:
    unpacked = zlib.decompressobj().decompress(data, _MOST_BYTES)
    table: dict[str, Any] = checked_json(unpacked, Segment, where=where)
    segment: Segment = from_table(Segment, table)
    lengths = {len(column) for column in table["tasks"].values()}
    if len(lengths) > 1 or max(segment.tasks.worker, default=-1) >= len(segment.workers):
        raise ValueError(f"{where}: expected columns of one length, and workers that it names")
    return segment
