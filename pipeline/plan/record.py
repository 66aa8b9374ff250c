"""The record of a plan: its bytes read back and checked, and where two plans differ."""

from __future__ import annotations

import dataclasses
from typing import Any

from storage.documents import parse_json
from storage.records import checked_json, from_table

from .device import check_packages
from .plan import FORMAT, Plan


def plan_from_json(data: bytes, *, where: str = "plan.json") -> Plan:
    """The plan that ``to_json`` wrote; ``where`` it stands, for errors.

    Raises ValueError, one line, for a record of another format, and for one that is damaged.
    """
    try:
        table = parse_json(data, where=where)
    except ValueError as e:
        raise ValueError(f"{e}: {DAMAGED}") from e
    if isinstance(table, dict) and table.get("format", FORMAT) != FORMAT:
        raise ValueError(
            f"{where}: plan record of format {table['format']!r}, this gigatile reads format {FORMAT}: "
            "resume the run with the version that began it"
        )
    try:
        table = checked_json(data, Plan, where=where)
    except ValueError as e:
        raise ValueError(f"{e}: {DAMAGED}") from e
    # before a solver or a tagger that is another package's is asked for
    check_packages(table.get("versions", {}), where)
    try:
        plan: Plan = from_table(Plan, table)
    except KeyError as e:
        raise ValueError(f"{where}: lacks {e}: {DAMAGED}") from e
    except (TypeError, ValueError) as e:
        raise ValueError(f"{where}: {e}: {DAMAGED}") from e
    return plan


DAMAGED = "the record is damaged; restore it from a copy, or start the run's own command again"


def differing_fields(mine: Plan, stored: Plan) -> list[str]:
    """Where two plans differ, a line each: ``field: this command says A, the run says B``."""
    ours, theirs = _flat(dataclasses.asdict(mine)), _flat(dataclasses.asdict(stored))
    return [
        f"{key}: this command says {ours.get(key)!r}, the run says {theirs.get(key)!r}"
        for key in sorted(ours.keys() | theirs.keys())
        if ours.get(key) != theirs.get(key)
    ]


def _flat(table: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in table.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = value
    return flat
