"""Our own records as they come back from a store: JSON held against the dataclass or typed table that it is to fill."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from functools import cache
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from pydantic import TypeAdapter, ValidationError

from .documents import parse_json


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def checked_json(data: bytes, kind: Any, *, where: str) -> Any:
    """The plain tables, lists and numbers of a JSON record whose every field has the type that ``kind`` says.

    Lists stand for tuples, whole numbers may stand for floats; members that ``kind`` does not name are left to the
    caller. Raises ValueError, one line that names the place (``where``), the field and what was expected.
    """
    table = parse_json(data, where=where)
    try:
        _adapter(kind).validate_json(data, strict=True)
    except ValidationError as error:
        raise ValueError(f"{where}: {first_fault(error)}") from None
    return table


def from_table(kind: Any, table: Any) -> Any:
    """A dataclass of what ``dataclasses.asdict`` and JSON made of it, checked by ``checked_json`` before.

    Nothing is converted but lists to tuples: a whole number stays one, so that the record of what comes back has the
    same bytes. Raises KeyError or TypeError for members that are missing or unknown.

    >>> from_table(tuple[int, ...] | None, [1, 2])
    (1, 2)
    """
    origin, args = get_origin(kind), get_args(kind)
    if isinstance(kind, type) and is_dataclass(kind):
        hints = _hints(kind)
        return kind(**{name: from_table(hints.get(name, Any), value) for name, value in table.items()})
    if origin is tuple:
        kinds = args[:1] * len(table) if args[-1] is ... else args
        return tuple(from_table(inner, value) for inner, value in zip(kinds, table, strict=True))
    if origin is dict:
        return {key: from_table(args[1], value) for key, value in table.items()}
    if origin in (Union, UnionType):
        return None if table is None else from_table(_member(args, table), table)
    return table


@cache
def _hints(kind: Any) -> dict[str, Any]:
    return get_type_hints(kind)


def _member(kinds: tuple[Any, ...], table: Any) -> Any:
    """Which of a union's types a value is of: of several dataclasses, the one with its members."""
    there = [kind for kind in kinds if kind is not NoneType]
    if isinstance(table, dict):
        there = [
            kind for kind in there if is_dataclass(kind) and {one.name for one in fields(kind)} == table.keys()
        ] or there
    return there[0]


def first_fault(error: ValidationError) -> str:
    """The first fault that pydantic found, in one line."""
    fault = error.errors(include_url=False, include_input=False, include_context=False)[0]
    place = ".".join(str(step) for step in fault["loc"]) or "the record"
    return f"{place}: {' '.join(fault['msg'].split())}"
