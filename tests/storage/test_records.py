"""Records held against the types that they are to fill."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

import pytest

from storage.records import checked_json, from_table


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Other:
    weight: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    name: str
    inner: Inner | None
    many: tuple[Inner, ...]
    pair: tuple[int, Inner]
    named: dict[str, tuple[int, int]]
    either: Inner | Other


def test_what_asdict_and_json_made_of_a_record_becomes_the_record_again() -> None:
    inner = Inner(sides=(1, 2), share=3)
    for either in (inner, Other(weight=0.5)):
        held = Holder(name="a", inner=None, many=(inner, inner), pair=(4, inner), named={"b": (5, 6)}, either=either)
        back = from_table(Holder, json.loads(json.dumps(asdict(held))))
        assert back == held
        assert type(back.many[0].share) is int, "its record has the same bytes"
    assert from_table(Outer, {"name": "a", "inner": asdict(inner)}) == Outer(name="a", inner=inner)


def test_members_that_are_missing_or_unknown_are_no_record() -> None:
    with pytest.raises(TypeError, match="more"):
        from_table(Other, {"weight": 1.0, "more": 2})
    with pytest.raises(TypeError, match="weight"):
        from_table(Other, {})
    with pytest.raises(ValueError, match="zip"):
        from_table(tuple[int, int], [1, 2, 3])
