"""The record of a plan: what is not one is refused in one line, and how two plans differ."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pipeline.plan.plan import FORMAT
from pipeline.plan.record import differing_fields, plan_from_json
from tests.support.tiny import small_plan


def test_what_was_written_is_read() -> None:
    plan = small_plan(solver="unipc", prompt="sea", seed=2**40)
    read = plan_from_json(plan.to_json())
    assert read == plan
    assert read.to_json() == plan.to_json()
    assert read.hash == plan.hash


def altered(*path: str, value: Any) -> bytes:
    table = json.loads(small_plan().to_json())
    inner = table
    for key in path[:-1]:
        inner = inner[key]
    if value is None:
        del inner[path[-1]]
    else:
        inner[path[-1]] = value
    return json.dumps(table).encode()


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (
            altered("format", value=FORMAT - 1),
            f"plan record of format {FORMAT - 1}, this gigatile reads format {FORMAT}",
        ),
        (altered("format", value=FORMAT + 1), "resume the run with the version that began it"),
        (altered("scale", value="four"), "the record is damaged"),
        (altered("scale", value=None), "the record is damaged"),
        (altered("image", "height", value=-1.5), "the record is damaged"),
        (altered("new", value=1), "the record is damaged"),
        (b"", "the record is damaged"),
        (b"[]", "the record is damaged"),
        (small_plan().to_json()[:-20], "the record is damaged"),
    ],
)
def test_what_is_no_record_is_one_line(data: bytes, said: str) -> None:
    with pytest.raises(ValueError, match=said) as caught:
        plan_from_json(data, where="run/plan.json")
    assert str(caught.value).startswith("run/plan.json")
    assert "\n" not in str(caught.value)


def test_plans_differ_field_by_field() -> None:
    mine, stored = small_plan(seed=1, steps=3), small_plan(seed=2, steps=3)
    assert differing_fields(mine, stored) == ["recipe.run.seed: this command says 1, the run says 2"]
    assert differing_fields(mine, mine) == []
    several = differing_fields(small_plan(), small_plan(height=76))
    assert any(line.startswith("image.height: this command says 75, the run says 76") for line in several)
