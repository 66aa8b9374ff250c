"""Records held against the types that they are to fill."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pytest

from storage.records import checked_json


@dataclass(frozen=True, slots=True, kw_only=True)
class Inner:
    sides: tuple[int, int]
    share: float = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Outer:
    name: str
    inner: Inner | None = None


def test_what_fits_comes_back_as_it_stands() -> None:
    table = {"name": "a", "inner": {"sides": [1, 2], "share": 3}, "more": [1]}
    found = checked_json(json.dumps(table).encode(), Outer, where="here")
    assert found == table
    assert type(found["inner"]["share"]) is int


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{}", "here: name: Field required"),
        ('{"name": 1}', "here: name: Input should be a valid string"),
        ('{"name": "a", "inner": {"sides": [1, "2"]}}', "here: inner.sides.1: Input should be a valid integer"),
        ('{"name": "a", "inner": {"sides": [true, 2]}}', "here: inner.sides.0"),
        ('{"name": "a", "inner": {"sides": [1, 2, 3]}}', "here: inner.sides"),
        ('{"name": "a", "inner": {"sides": [1, 2], "share": "3"}}', "here: inner.share"),
        ("[1]", "here: the record: Input should be an object"),
        ("{", "here: not JSON"),
    ],
)
def test_what_does_not_fit_names_the_field(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}"):
        checked_json(text.encode(), Outer, where="here")
