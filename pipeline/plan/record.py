"""The record of a plan: its bytes read back and checked, and where two plans differ."""

from __future__ import annotations

import dataclasses
from typing import Any

from pipeline.geometry.tiles import TileGrid
from pipeline.models.protocol import AttentionCard, Cost, LatentGeometry
from pipeline.prompts.tag_file import tag_file_from_table
from pipeline.prompts.tagging import Manner, Tagging
from storage.box import RegionGrid
from storage.documents import parse_json
from storage.records import checked_json

from .device import DeviceFacts, check_packages
from .facts import ImageFacts, Stage
from .plan import FORMAT, Plan
from .recipe import Recipe


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
        return _plan_from_table(table)
    except KeyError as e:
        raise ValueError(f"{where}: lacks {e}: {DAMAGED}") from e
    except (TypeError, ValueError) as e:
        raise ValueError(f"{where}: {e}: {DAMAGED}") from e


DAMAGED = "the record is damaged; restore it from a copy, or start the run's own command again"


def _plan_from_table(table: dict[str, Any]) -> Plan:
    tiles, geometry = dict(table["tiles"]), dict(table["geometry"])
    geometry |= {"structures": tuple(geometry["structures"]), "cost": Cost(**geometry["cost"])}
    recipe: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in table["recipe"].items()
    }
    tiles |= {"tops": tuple(tiles["tops"]), "lefts": tuple(tiles["lefts"])}
    return Plan(
        **{
            **table,
            "recipe": Recipe(**recipe),
            "image": ImageFacts(**table["image"]),
            "geometry": LatentGeometry(**geometry),
            "device": DeviceFacts(**table["device"]),
            "regions": RegionGrid(**table["regions"]),
            "tiles": TileGrid(**tiles),
            "timesteps": tuple(table["timesteps"]),
            "attention": _attention_from(table["attention"]),
            "difficulty_map": _maybe(ImageFacts, table["difficulty_map"]),
            "tags": None if table["tags"] is None else tag_file_from_table(table["tags"]),
            "tagger": _tagging_from(table["tagger"]),
            "degradations": tuple(table["degradations"]),
            "dropped": tuple(table["dropped"]),
            "stage": Stage(**table["stage"]),
        }
    )


def _maybe(kind: Any, table: dict[str, Any] | None) -> Any:
    return None if table is None else kind(**table)


def _attention_from(table: dict[str, Any] | None) -> AttentionCard | None:
    return None if table is None else AttentionCard(**{**table, "dropped": tuple(table["dropped"])})


def _tagging_from(table: dict[str, Any] | None) -> Tagging | None:
    if table is None:
        return None
    lists = {name: tuple(table[name]) for name in ("phrases", "degradations", "dropped")}
    return Tagging(**{**table, **lists, "manner": Manner(**table["manner"])})


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
