"""``--set KEY=VALUE`` and the options that are settings of a recipe: what a job asks for before it is bound."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cluster.job import OPTIONS, Work
from pipeline.plan.flat import FLAT, dotted, outdated_line
from pipeline.plan.presets import checked_settings, flat_names, load_recipe, nearest, override
from pipeline.plan.recipe import SETTINGS, Recipe
from storage.documents import parse_toml

STRICT = "model.strict"
"""the one setting of commands that read a model and have no recipe"""


def asked_recipe(job: Work) -> Recipe:
    """The job's recipe with ``--set`` and its options, which go before both. Raises ValueError, one line."""
    recipe = override(load_recipe(job.recipe), parse_settings(job.settings), where="--set")
    values = {setting: getattr(job, option, None) for option, setting in OPTIONS.items()}
    return recipe.with_settings({setting: value for setting, value in values.items() if value is not None})


def outdated(job: Work) -> list[str]:
    """A line for the recipe's file, and one for ``--set``, where they use names of the release before."""
    files, words = flat_names(job.recipe), [key for key in parse_settings(job.settings) if key in FLAT]
    return [outdated_line(names, where=where) for names, where in ((files, job.recipe), (words, "--set")) if names]


def parse_settings(pairs: Sequence[str] | None) -> dict[str, Any]:
    """What ``--set`` was given, each as KEY=VALUE: keys as they stand there, values as TOML has them.

    The values are checked where they meet the recipe. Raises ValueError, one line, with the nearest known key.

    >>> parse_settings(["sampling.steps=8", "model.strict=false", "sampling.solver=euler"])
    {'sampling.steps': 8, 'model.strict': False, 'sampling.solver': 'euler'}
    """
    table: dict[str, Any] = {}
    for pair in pairs or ():
        key, between, text = (word.strip() for word in pair.partition("="))
        if not between or not text:
            raise ValueError(f"--set {pair}: expected KEY=VALUE, such as sampling.steps=8 or model.strict=false")
        name = dotted(key)
        if name not in (*SETTINGS, "name"):
            raise ValueError(f"--set {pair}: unknown key {key!r}; {nearest(key, more=SETTINGS)}")
        if name in map(dotted, table):
            raise ValueError(f"--set {pair}: {name} is set twice: leave one of them out")
        table[key] = _value(pair, text, is_text=name == "name" or SETTINGS[name].kind == "str")
    return table


def parse_strict(pairs: Sequence[str] | None) -> bool:
    """Whether what nobody reads of a model is refused, by the ``--set`` of a command without a recipe."""
    table = parse_settings(pairs)
    if others := [key for key in table if key != STRICT]:
        raise ValueError(f"--set {others[0]}: this command has no recipe, it knows {STRICT} alone: leave it out")
    return bool(checked_settings(table, where="--set").get(STRICT, True))


def _value(pair: str, text: str, *, is_text: bool) -> Any:
    """A value as TOML has it; what is a text may stand without quotes, which a shell takes away."""
    try:
        table = parse_toml(f"value = {text}", where="--set")
    except ValueError as e:
        if is_text:
            return text
        raise ValueError(
            f"--set {pair}: {text!r} is no value of TOML ({e}); write 8, 0.5, true, [1, 2] or, quoted for the shell, "
            "a text in quotes"
        ) from e
    if set(table) != {"value"}:
        raise ValueError(f"--set {pair}: expected one value")
    return table["value"]
