"""Which files at a run's place are the run's: nothing else there is ever deleted, and nothing begins among strangers.

    plan.json    status.json    probe-<32 hex digits>
    journal/00000042            journal/upto-00001234           timeline/00000003-00000000
    lease/0003    lease/0003.heartbeat    lease/0003.released    lease/0003.stop
    blobs/<names>.npz           blobs/<names>.json
    <array>/zarr.json           <array>/c/0/<row>/<column>            of arrays in the folders of ARRAYS

A key is written aside first: by us as KEY.<hex digits>.partial, by obstore as KEY#<number>.
"""

from __future__ import annotations

import re
from typing import Any

from storage.objects.root import ObjectRoot

from .documents import parse_json

ARRAYS = ("pixels", "valid", "cond", "z", "history", "words", "moments", "disagreement", "out")
"""first parts of the names of a run's arrays"""

_PROBE = r"probe-[0-9a-f]{32}"
_LEASE = r"lease/\d{4,}(\.heartbeat|\.released|\.stop)?"
_JOURNAL = r"journal/(upto-)?\d{8}"
_TIMELINE = r"timeline/\d{8,}-\d{8,}"
_ARRAY = rf"({'|'.join(ARRAYS)})(/[\w-]+)*"
_KEY = re.compile(
    rf"plan\.json|status\.json|{_LEASE}|{_JOURNAL}|{_TIMELINE}|blobs/[\w/-]+\.(npz|json)|{_ARRAY}/(zarr\.json|c/0/\d+/\d+)"
)
_ASIDE = re.compile(r"(?P<key>.+?)(\.[0-9a-f]+\.partial|#\d+)")
_FIRST = re.compile(rf"{_PROBE}|{_LEASE}|{_JOURNAL}|plan\.json")
"""what a first start writes before its plan is whole"""


def is_aside(key: str) -> bool:
    """Whether a relative path is that of a key of ours, half written.

    >>> is_aside("z/0/s0001/c/0/1/2#3"), is_aside("journal/00000001.0a.partial"), is_aside("holiday/film.mkv.partial")
    (True, True, False)
    """
    match = _ASIDE.fullmatch(key)
    return match is not None and _KEY.fullmatch(match["key"]) is not None


def check_place(root: ObjectRoot) -> None:
    """Raise ValueError where a run cannot begin, or go on, at ``root``: it holds other things and no run. Only reads.

    A run whose plan.json is lost is told by its lease or journal, a first start that ended early by what it wrote.
    """
    there = root.children()
    if not there or _is_plan(root) or _is_led(root):
        return
    foreign = sorted(name for name in there if name not in ("lease", "journal") and not _begun(name))
    foreign += [key for name in ("lease", "journal") if name in there for key in root.list(name) if not _begun(key)]
    if foreign:
        raise ValueError(
            f"{root.url} is no run's place: it holds {foreign[0]} and no plan.json of a run; give a folder that is "
            "empty or not there yet"
        )


def check_series_place(root: ObjectRoot) -> None:
    """The same for the place of a series of runs, which holds nothing but the folders of its stages. Only reads."""
    there = root.children()
    stages = {name for name in there if re.fullmatch(r"stage-\d+", name)}
    roots = {name: ObjectRoot.open(f"{root.url.rstrip('/')}/{name}", create=False) for name in stages}
    for name in sorted(stages):
        check_place(roots[name])
    foreign = sorted(there - stages)
    if foreign and not ("stage-0" in stages and _is_plan(roots["stage-0"])):
        raise ValueError(
            f"{root.url} is no series' place: it holds {foreign[0]} and no stage of a series; give a folder that is "
            "empty or not there yet"
        )


def _begun(key: str) -> bool:
    match = _ASIDE.fullmatch(key)
    return _FIRST.fullmatch(key if match is None else match["key"]) is not None and (key != "plan.json")


def _is_led(root: ObjectRoot) -> bool:
    """Whether a coordinator of ours has worked here: by the heads of its leases and of the journal's first batch."""
    keys = [key for key in root.list("lease") if re.fullmatch(_LEASE, key)] + ["journal/00000000"]
    return any(_generation(root, key) for key in keys)


def _generation(root: ObjectRoot, key: str) -> bool:
    try:
        table: Any = parse_json(root.get(key).split(b"\n", 1)[0], where=key)
    except (KeyError, ValueError):
        return False
    return isinstance(table, dict) and "generation" in table


def _is_plan(root: ObjectRoot) -> bool:
    """Whether plan.json is one of ours, of whatever format; what is no JSON may be one that was damaged."""
    try:
        table: Any = parse_json(root.get("plan.json"), where="plan.json")
    except (KeyError, ValueError):
        return False
    return isinstance(table, dict) and {"format", "recipe", "regions"} <= table.keys()
