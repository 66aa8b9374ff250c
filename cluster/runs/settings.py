"""``--set KEY=VALUE``: keys of the recipe, and of how the model is read; values as TOML has them."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from pipeline.plan.recipe import Recipe
from storage.documents import parse_toml

MODEL = {"model.strict": True}
"""keys of how the model is read -> their defaults, whose type a value must have"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What was set, with every key known."""

    recipe: dict[str, Any] = field(default_factory=dict)
    """keys of the recipe; their values are checked where they meet it"""
    strict: bool = True
    """whether weights and settings of a model that nobody reads are refused"""


def parse_settings(given: Sequence[str] | None, *, of_model: bool = False) -> Settings:
    """What ``--set`` was given, each as KEY=VALUE; ``of_model``: of a command without a recipe.

    Raises ValueError, one line, with the nearest known key.

    >>> parse_settings(["steps=8", "model.strict=false", "solver=euler"])
    Settings(recipe={'steps': 8, 'solver': 'euler'}, strict=False)
    """
    kinds = {} if of_model else {one.name: str(one.type) for one in dataclasses.fields(Recipe)}
    table: dict[str, Any] = {}
    for one in given or ():
        key, between, text = (part.strip() for part in one.partition("="))
        if not between or not text:
            raise ValueError(f"--set {one}: expected KEY=VALUE, such as steps=8 or model.strict=false")
        if key not in kinds and key not in MODEL:
            near = difflib.get_close_matches(key, [*kinds, *MODEL], n=1)
            hint = (
                f"did you mean {near[0]}?"
                if near
                else f"known keys: {'' if of_model else 'those of a recipe, and '}model.strict"
            )
            raise ValueError(f"--set {one}: unknown key {key!r}; {hint}")
        if key in table:
            raise ValueError(f"--set {one}: {key} is set twice: leave one of them out")
        table[key] = _value(one, text, is_text=kinds.get(key, "").startswith("str"))
    strict = table.pop("model.strict", True)
    if not isinstance(strict, bool):
        raise ValueError(f"--set model.strict={strict}: model.strict must be true or false")
    return Settings(recipe=table, strict=strict)


def _value(one: str, text: str, *, is_text: bool) -> Any:
    """A value as TOML has it; what is a text may stand without quotes, which a shell takes away."""
    try:
        found = parse_toml(f"value = {text}", where="--set")
    except ValueError as e:
        if is_text:
            return text
        raise ValueError(
            f"--set {one}: {text!r} is no value of TOML ({e}); write 8, 0.5, true, [1, 2] or, quoted for the shell, "
            "a text in quotes"
        ) from e
    if set(found) != {"value"}:
        raise ValueError(f"--set {one}: expected one value")
    return found["value"]
