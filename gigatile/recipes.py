"""From what Python hands over to a job's arguments, by the way that the command line takes."""

from __future__ import annotations

import dataclasses
import difflib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from cluster.job import Work
from pipeline.plan.recipe import SETTINGS, Recipe

AnyJob = TypeVar("AnyJob", bound=Work)


def to_job(
    kind: type[AnyJob], recipe: str | Path | Mapping[str, Any] | Recipe, options: Mapping[str, Any], **named: Any
) -> AnyJob:
    """A job of a kind; raises TypeError for an option that it has not.

    ``options`` may hold ``settings``, a list of KEY=VALUE as ``--set`` takes them, which go before the recipe's.
    """
    known = {field.name for field in dataclasses.fields(kind)} - {"recipe", *named}
    for name in options:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(sorted(known))}"
            raise TypeError(f"unknown option {name!r}: {hint}")
    preset, settings = _taken_apart(recipe)
    arguments: dict[str, Any] = {
        name: str(value) if isinstance(value, Path) else value for name, value in options.items()
    }
    arguments["settings"] = [*settings, *(arguments.get("settings") or ())] or None
    return kind(recipe=preset, **named, **arguments)


def _taken_apart(recipe: str | Path | Mapping[str, Any] | Recipe) -> tuple[str, list[str]]:
    """A preset's name or file, and what is set beside it."""
    if isinstance(recipe, str | Path):
        return str(recipe), []
    table: dict[str, Any] = _as_table(recipe) if isinstance(recipe, Recipe) else dict(recipe)
    preset = str(table.pop("preset", "multidiffusion"))
    return preset, [f"{key}={_as_toml(value)}" for key, value in _flat(table) if value is not None]


def _as_table(recipe: Recipe) -> dict[str, Any]:
    """What differs from a recipe in which nothing is set."""
    plain = Recipe()
    return {name: recipe.value(name) for name in ("name", *SETTINGS) if recipe.value(name) != plain.value(name)}


def _flat(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _as_toml(value: Any) -> str:
    """A setting as TOML writes it.

    >>> _as_toml(True), _as_toml((0.5, 1)), _as_toml('say "a"')
    ('true', '[0.5, 1]', '"say \\\\"a\\\\""')
    """
    # of texts, numbers, truth values and lists of them JSON's form is TOML's, too
    # but for letters beyond the first plane, which JSON would write in halves
    return json.dumps(list(value) if isinstance(value, tuple) else value, ensure_ascii=False)
