"""Geometries of models that are like another but for some facts."""

from __future__ import annotations

import dataclasses
from typing import Any

from pipeline.models.card import LatentGeometry

PARTS = ("inputs", "codec", "cost")


def altered(geometry: LatentGeometry, **facts: Any) -> LatentGeometry:
    """The same with other facts: the geometry's own, or those of one of its parts by their names alone.

    ``codec={"window": 8}`` says which part is meant.
    """
    own = {field.name for field in dataclasses.fields(geometry)}
    changes = {name: value for name, value in facts.items() if name in own and not isinstance(value, dict)}
    for part in PARTS:
        now = changes.get(part, getattr(geometry, part))
        names = {field.name for field in dataclasses.fields(now)} - own
        given = {name: value for name, value in facts.items() if name in names}
        given |= facts[part] if isinstance(facts.get(part), dict) else {}
        if given:
            changes[part] = dataclasses.replace(now, **given)
    known = own.union(*({field.name for field in dataclasses.fields(getattr(geometry, part))} for part in PARTS))
    assert set(facts) <= known, f"no such facts: {set(facts) - known}"
    return dataclasses.replace(geometry, **changes)
