"""Tables of vectors at a URL, one Zarr v3 group: columns ``[rows, width]`` float32, and facts about them.

For what is made once and read whole by many runs, such as a memory of reference textures.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import zarr
from zarr.storage import StorePath

from storage.objects.root import ObjectRoot

from .chunks import ChunkStore, RootStore
from .documents import parse_json
from .errors import MissingRegionError

ROWS = 512
"""rows of a chunk"""
_GROUP = "zarr.json"
_HALF = re.compile(r"zarr\.json|[^/]+/(zarr\.json|c/\d+/\d+)(#\d+)?")
"""keys of a table, whole or not"""


@dataclass(frozen=True, slots=True, kw_only=True)
class VectorTable:
    """Columns of as many rows each, and what is known of them."""

    columns: dict[str, np.ndarray]
    """[rows, width] float32, by name"""
    facts: dict[str, Any]
    """JSON values"""


def write_table(url: str, table: VectorTable) -> None:
    """Write a new table to ``url`` (a path, s3://, gs:// or az://); its facts last, so half a table is none.

    Raises FileExistsError where one is there, ValueError for columns of different lengths.
    """
    if len({len(column) for column in table.columns.values()}) != 1:
        lengths = {name: len(column) for name, column in table.columns.items()}
        raise ValueError(f"columns of a table have as many rows each, got {lengths}")
    check_absent(url)
    root = ObjectRoot.open(url)
    for name, column in table.columns.items():
        array = zarr.create_array(
            StorePath(RootStore(root), name),
            shape=column.shape,
            chunks=(min(ROWS, len(column)), column.shape[1]),
            dtype="float32",
            zarr_format=3,
            config={"write_empty_chunks": True},
            # what a killed writer left belongs to no table
            overwrite=True,
        )
        array[:] = column.astype(np.float32)
    group = {"zarr_format": 3, "node_type": "group", "attributes": {"columns": [*table.columns], **table.facts}}
    root.put(_GROUP, json.dumps(group, indent=1).encode())


def check_absent(url: str) -> None:
    """Raise FileExistsError where a table is at ``url``, or anything else but a half of one that a killed writer left.

    For those who compute long before they write, too.
    """
    try:
        root = ObjectRoot.open(url, create=False)
        facts = _facts(root)
    except FileNotFoundError:
        return
    if facts is not None:
        raise FileExistsError(f"{url} is there already: choose another place, or delete it")
    foreign = [key for key in root.list("") if not _HALF.fullmatch(key)]
    if foreign:
        raise FileExistsError(f"{url} holds {min(foreign)} and no table: choose a place that is empty or not there yet")


def read_table(url: str) -> VectorTable:
    """The table at ``url``. Raises FileNotFoundError where there is none, ValueError where it is damaged."""
    root = ObjectRoot.open(url, create=False)
    facts = _facts(root)
    if facts is None:
        raise FileNotFoundError(f"{url} holds no table: expected a folder or URL with {_GROUP} in it")
    columns = {}
    for name in facts.pop("columns"):
        try:
            columns[name] = np.asarray(zarr.open_array(StorePath(ChunkStore(root), name), mode="r", zarr_format=3)[:])
        except (MissingRegionError, ValueError) as e:
            raise ValueError(f"{url}: the column {name} is damaged ({e}); make the table again") from e
    return VectorTable(columns=columns, facts=facts)


def _facts(root: ObjectRoot) -> dict[str, Any] | None:
    """The group's attributes; None where there is no group, or one that Zarr made for its first array."""
    if not root.exists(_GROUP):
        return None
    try:
        group = parse_json(root.get(_GROUP), where=_GROUP)
    except ValueError as e:
        raise ValueError(f"{root.url}: {_GROUP} is damaged ({e}); make the table again") from e
    facts: Any = group.get("attributes") if isinstance(group, dict) else None
    return facts if isinstance(facts, dict) and "columns" in facts else None
