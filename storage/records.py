"""Our own records as they come back from a store: JSON held against the dataclass or typed table that it is to fill."""

from __future__ import annotations

from functools import cache
from typing import Any

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


def first_fault(error: ValidationError) -> str:
    """The first fault that pydantic found, in one line."""
    fault = error.errors(include_url=False, include_input=False, include_context=False)[0]
    place = ".".join(str(part) for part in fault["loc"]) or "the record"
    return f"{place}: {' '.join(fault['msg'].split())}"
