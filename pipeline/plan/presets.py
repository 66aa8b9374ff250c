"""Recipes by name, and from TOML files: the presets are such files themselves, in the folder ``recipes``."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from storage.documents import read_toml

from .flat import FLAT, dotted
from .recipe import SECTIONS, SETTINGS, Recipe

FOLDER = Path(__file__).parent / "recipes"
PLAIN = "multidiffusion"
"""the preset that a file starts from where it names none: every setting at its default"""
BESIDE = {"preset": "the preset to start from", "name": "what it is called", "paper": "", "about": ""}
"""keys of a file that are no settings"""

_KINDS: dict[str, tuple[type, ...]] = {
    "int": (int,),
    "float": (int, float),
    "str": (str,),
    "bool": (bool,),
    "tuple[float, float]": (list, tuple),
    "tuple[float, float, float]": (list, tuple),
    "tuple[int, int, int]": (list, tuple),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """A recipe that ships."""

    name: str
    paper: str
    """what it implements; empty for what is ours"""
    about: str
    """what it switches on"""
    start: str | None
    """the preset that it starts from"""
    settings: Mapping[str, Any]
    """what it says otherwise than the defaults, ``section.field`` -> value, with those of the preset it starts from"""

    @property
    def recipe(self) -> Recipe:
        return Recipe().with_settings({"name": self.name, **self.settings})


def _read_presets(paths: Iterable[Path]) -> dict[str, Preset]:
    tables = {path.stem: (read_toml(path), str(path)) for path in sorted(paths)}
    presets: dict[str, Preset] = {}
    while len(presets) < len(tables):
        ready = {
            name: entry
            for name, entry in tables.items()
            if name not in presets and entry[0].get("preset", name) in (*presets, name)
        }
        if not ready:
            raise ValueError(f"{FOLDER}: presets start from one another, or from none that is there")
        for name, (table, where) in ready.items():
            start = presets.get(table.get("preset", ""))
            changes = {key: value for key, value in table.items() if key not in BESIDE}
            presets[name] = Preset(
                name=name,
                paper=table["paper"],
                about=table["about"],
                start=None if start is None else start.name,
                settings={**({} if start is None else start.settings), **checked_settings(changes, where=where)},
            )
    return {name: presets[name] for name in sorted(presets, key=lambda name: (name != PLAIN, name))}


def parse_recipe(table: Mapping[str, Any], *, where: str) -> Recipe:
    """Make a recipe of loose keys and values; ``preset`` names the one to start from.

    Raises ValueError with the place, the key, what was expected and the nearest known key.

    >>> parse_recipe({"preset": "multidiffusion", "sampling": {"steps": 4}}, where="here").sampling.steps
    4
    """
    beside = {key: value for key, value in table.items() if key in BESIDE}
    preset = beside.get("preset", PLAIN)
    if not isinstance(preset, str) or preset not in PRESETS:
        raise ValueError(f"{where}: preset must be one of {', '.join(PRESETS)}, got {preset!r}")
    for key, value in beside.items():
        if not isinstance(value, str):
            raise ValueError(f"{where}: {key} must be of type str, got {value!r}")
    settings = checked_settings({key: value for key, value in table.items() if key not in BESIDE}, where=where)
    name = beside.get("name", preset)
    return Recipe().with_settings({**PRESETS[preset].settings, **settings, "name": name})


def override(recipe: Recipe, table: Mapping[str, Any], *, where: str) -> Recipe:
    """The recipe with settings of loose ``table`` in place of its own; errors as parse_recipe's.

    >>> override(Recipe(), {"sampling.steps": 4}, where="here").sampling.steps
    4
    """
    return recipe.with_settings(checked_settings(table, where=where))


def checked_settings(table: Mapping[str, Any], *, where: str) -> dict[str, Any]:
    """Settings by ``section.field``, with values of their kinds, of tables of sections, dotted and flat names."""
    settings: dict[str, Any] = {}
    for key, value in spread_settings(table, where=where):
        name = dotted(key)
        if name not in (*SETTINGS, "name"):
            raise ValueError(f"{where}: unknown key {key!r}; {nearest(key)}")
        if name in settings:
            raise ValueError(f"{where}: {name} is given twice, once by the name of the release before: leave one out")
        settings[name] = _checked(name, value, where)
    return settings


def spread_settings(table: Mapping[str, Any], *, where: str) -> list[tuple[str, Any]]:
    """Every setting of a table as the file names it, flat or ``section.field``; the names are not looked up."""
    sections = {kind.section for kind in SECTIONS}
    pairs: list[tuple[str, Any]] = []
    for key, value in table.items():
        if isinstance(value, Mapping) and key not in sections:
            near = difflib.get_close_matches(key, sections, n=1)
            hint = f"did you mean [{near[0]}]?" if near else f"known: {', '.join(kind.section for kind in SECTIONS)}"
            raise ValueError(f"{where}: unknown section [{key}]; {hint}")
        if isinstance(value, Mapping):
            pairs += ((f"{key}.{field}", inner) for field, inner in value.items())
        else:
            pairs.append((key, value))
    return pairs


def nearest(key: str, more: Iterable[str] = ()) -> str:
    """What a user may have meant by an unknown key, in words; ``more``: keys that are known beside.

    >>> nearest("stpes"), nearest("tiles.windw"), nearest("tiles.steps")
    ('did you mean sampling.steps?', 'did you mean tiles.window?', 'did you mean sampling.steps?')
    """
    names = [*SETTINGS, *FLAT, *(more or BESIDE)]
    near = difflib.get_close_matches(key, names, n=1)
    last = {name.rpartition(".")[2]: name for name in reversed(SETTINGS)} | FLAT
    near = [last[key.rpartition(".")[2]]] if key.rpartition(".")[2] in last else near
    if near:
        return f"did you mean {dotted(near[0])}?"
    return "known keys are section.field, such as sampling.steps: see `gigatile recipes --settings`"


def _checked(name: str, value: Any, where: str) -> Any:
    kind = SETTINGS[name].kind if name in SETTINGS else "str"
    if isinstance(value, bool) != (kind == "bool") or not isinstance(value, _KINDS[kind]):
        raise ValueError(f"{where}: {name} must be of type {kind}, got {value!r}")
    return _numbers(value, kind, name, where) if kind.startswith("tuple") else value


def _numbers(value: Any, kind: str, name: str, where: str) -> tuple[float, ...]:
    whole, count = "int" in kind, kind.count(",") + 1
    allowed = int if whole else int | float
    if len(value) != count or not all(isinstance(v, allowed) and not isinstance(v, bool) for v in value):
        named = f"{('', '', 'two', 'three')[count]} {'whole ' if whole else ''}numbers"
        raise ValueError(f"{where}: {name} must be {named}, got {value!r}")
    return tuple(value) if whole else tuple(float(v) for v in value)


def load_table(name_or_path: str) -> tuple[dict[str, Any], str]:
    """The table of a preset by its name, or of a TOML file, and where it stands. Raises ValueError with the mend."""
    if name_or_path in PRESETS:
        return {"preset": name_or_path}, "recipe"
    path = Path(name_or_path)
    if not path.is_file():
        raise ValueError(f"recipe: {name_or_path!r} is neither a preset ({', '.join(PRESETS)}) nor a file")
    return read_toml(path), str(path)


def load_recipe(name_or_path: str) -> Recipe:
    """A preset by its name, or a recipe from a TOML file. Raises ValueError with the mend."""
    table, where = load_table(name_or_path)
    return parse_recipe(table, where=where)


def flat_names(name_or_path: str) -> list[str]:
    """Names of the release before that a recipe's file uses. Raises ValueError as load_recipe does."""
    table, where = load_table(name_or_path)
    return [key for key, _ in spread_settings(table, where=where) if key in FLAT]


PRESETS: dict[str, Preset] = _read_presets(FOLDER.glob("*.toml"))
"""by name. The numbers of patchscaler are the paper's; what depends on the source of difficulty is in sources.py;
idle_spread was chosen on seven evaluation pictures of the embedded model"""
