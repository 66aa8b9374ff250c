"""A list of pictures: CSV with a header, or JSON lines; a row says what is another than the command's.

input,output,recipe,bands          {"input": "a.tif", "recipe": "yoda"}
a.tif,first.tif,,"4,3,2"           {"input": ["red.tif", "green.tif", "blue.tif"], "output": "colour.tif"}

Names in it are relative to the list's own folder.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from storage.documents import parse_json, read_text

_TEXT, _NUMBER, _WHOLE = "a text", "a number", "a whole number"
COLUMNS = {
    "input": _TEXT,
    "output": _TEXT,
    **dict.fromkeys(("recipe", "bands", "tags", "pages", "range", "alpha", "difficulty"), _TEXT),
    "scale": _NUMBER,
    **dict.fromkeys(("steps", "seed"), _WHOLE),
}
"""what a row may say, and what that must be"""
_FIELDS = {"range": "value_range"}
"""of the job, where they have other names"""
_PATHS = ("tags", "difficulty")
_JSON_SUFFIXES = (".jsonl", ".ndjson", ".json")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One picture of a list."""

    input: str | tuple[str, ...]
    output: str | None = None
    said: dict[str, Any] = field(default_factory=dict)
    """fields of the job that it sets"""
    where: str = ""


def read_rows(path: Path) -> list[Row]:
    """All rows. Raises ValueError or FileNotFoundError, one line with the row, where the list is none."""
    text = read_text(path, where=f"--list {path}")
    lines = _of_json(text, path) if path.suffix.lower() in _JSON_SUFFIXES else _of_csv(text, path)
    rows = [_row(table, where, path.parent) for where, table in lines]
    if not rows:
        raise ValueError(f"--list {path}: holds no picture; expected a row each")
    return rows


def _of_json(text: str, path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            where = f"--list {path}, line {number}"
            table = parse_json(line, where=where)
            if not isinstance(table, dict):
                raise ValueError(f'{where}: expected an object a line, such as {{"input": "a.tif"}}')
            yield where, table


def _of_csv(text: str, path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    reader = csv.DictReader(io.StringIO(text), strict=True)
    try:
        names = [name.strip() for name in reader.fieldnames or ()]
        if "input" not in names:
            raise ValueError(
                f"--list {path}: its first line names no column `input`; expected a header such as input,output,recipe"
            )
        if len(set(names)) < len(names):
            raise ValueError(f"--list {path}: its header names a column twice: {', '.join(names)}")
        reader.fieldnames = names
        for table in reader:
            where = f"--list {path}, line {reader.line_num}"
            if None in table:
                raise ValueError(f'{where}: more cells than the header has; quote what holds a comma, such as "4,3,2"')
            yield where, {name: cell.strip() for name, cell in table.items() if cell is not None and cell.strip()}
    except csv.Error as e:
        raise ValueError(f"--list {path}, line {reader.line_num}: {e}; expected CSV with commas") from e


def _row(table: Mapping[str, Any], where: str, folder: Path) -> Row:
    unknown = [name for name in table if name not in COLUMNS]
    if unknown:
        raise ValueError(f"{where}: unknown column {unknown[0]!r}; expected some of {', '.join(COLUMNS)}")
    said = {name: _value(name, value, where) for name, value in table.items() if value is not None and name != "input"}
    output = said.pop("output", None)
    for name in _PATHS:
        if name in said:
            said[name] = _below(folder, said[name])
    if str(said.get("recipe", "")).endswith(".toml"):
        said["recipe"] = _below(folder, said["recipe"])
    named = {_FIELDS.get(name, name): value for name, value in said.items()}
    return Row(input=_input(table, where, folder), output=output, said=named, where=where)


def _input(table: Mapping[str, Any], where: str, folder: Path) -> str | tuple[str, ...]:
    given = table.get("input")
    names = [given] if isinstance(given, str) else given
    if not isinstance(names, list) or not names or not all(isinstance(name, str) and name.strip() for name in names):
        raise ValueError(f"{where}: expected input, a picture's name, or in JSON a list of them, one a band")
    found = tuple(_below(folder, name) for name in names)
    return found[0] if len(found) == 1 else found


def _value(name: str, value: Any, where: str) -> Any:
    kind = COLUMNS[name]
    if kind == _TEXT and isinstance(value, str):
        return value
    if kind != _TEXT and not isinstance(value, bool):
        try:
            return float(value) if kind == _NUMBER else int(str(value))
        except (ValueError, TypeError):
            pass
    raise ValueError(f"{where}: {name} is {value!r}; expected {kind}")


def _below(folder: Path, name: str) -> str:
    """A relative name, as the list means it; a URL, and what GDAL names, as it is."""
    is_path = "://" not in name and not name.startswith(("~", "/")) and ":" not in name
    return str(folder / name) if is_path else name
