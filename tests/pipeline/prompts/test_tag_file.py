"""Tag files: which phrases hold where, and what is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pipeline.plan.record import plan_from_json
from pipeline.prompts.tag_file import TagFile, parse_tags
from storage.box import Box
from storage.documents import parse_json
from tests.support.runs import make_case

GOOD: dict[str, Any] = {
    "height": 60,
    "width": 80,
    "tags": [
        {"box": [0, 0, 60, 40], "tags": ["water"]},
        {"box": [0, 30, 60, 50], "tags": {"strong blur": 0.6, "sky": 1}},
    ],
}


def parse(table: Any) -> TagFile:
    text = table if isinstance(table, str) else json.dumps(table)
    return parse_tags(parse_json(text, where="t.json"), where="t.json", height=60, width=80)


def test_tags_of_a_crop() -> None:
    found = parse(GOOD)
    assert found.tags(Box(top=0, left=0, height=60, width=20)) == [("water", 1.0)]
    assert found.tags(Box(top=0, left=60, height=60, width=20)) == [("sky", 1.0), ("strong blur", 0.6)]
    middle = found.tags(Box(top=10, left=20, height=30, width=30))
    assert middle == [("sky", 1.0), ("water", 1.0), ("strong blur", 0.6)]


def test_a_small_box_speaks_for_the_crop_it_lies_in_and_a_corner_for_none() -> None:
    found = parse({**GOOD, "tags": [{"box": [28, 38, 4, 4], "tags": ["text"]}]})
    assert found.tags(Box(top=0, left=0, height=60, width=40)) == [("text", 1.0)]
    assert found.tags(Box(top=0, left=0, height=29, width=39)) == []


def test_the_surest_saying_counts() -> None:
    boxes = [{"box": [0, 0, 60, 80], "tags": {"water": sure}} for sure in (0.4, 0.9, 0.2)]
    assert parse({**GOOD, "tags": boxes}).tags(Box(top=0, left=0, height=60, width=80)) == [("water", 0.9)]


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("{", "not JSON"),
        ([], "a table with height, width and tags"),
        ({**GOOD, "height": 61}, "61 x 80 pixels.*60 x 80"),
        ({**GOOD, "tags": {}}, "a list of boxes"),
        ({**GOOD, "tags": [{"box": [0, 0, 1]}]}, r"tags\[0\]: expected a table with box and tags"),
        ({**GOOD, "tags": [{"box": [0, 0, 0, 5], "tags": []}]}, "top, left, height and width"),
        ({**GOOD, "tags": [{"box": [0, 0, 5, 5], "tags": "water"}]}, "phrases"),
        ({**GOOD, "tags": [{"box": [0, 0, 5, 5], "tags": {"water": 2}}]}, "0 to 1"),
        ({**GOOD, "tags": [{"box": [0, 0, 5, 5], "tags": {"water": True}}]}, "0 to 1"),
        ({**GOOD, "tags": [{"box": [0, 0, 5, 5], "tags": ["a, b"]}]}, "without commas"),
    ],
)
def test_refusals(table: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse(table)


def test_a_plan_keeps_its_tags() -> None:
    plan = make_case("embedded", height=60, width=80, tags=parse({**GOOD, "tags": GOOD["tags"][:1]})).plan
    assert plan.recipe.prompts.source == "file"
    assert plan_from_json(plan.to_json()) == plan


def test_what_does_not_fit_the_model_or_the_recipe_is_refused() -> None:
    with pytest.raises(ValueError, match="does not know sky"):
        make_case("embedded", height=60, width=80, tags=parse(GOOD))
    with pytest.raises(ValueError, match="reads no text"):
        make_case("analytic", height=60, width=80, tags=parse(GOOD))
    with pytest.raises(ValueError, match="go together"):
        make_case("embedded", height=60, width=80, prompts="file")
    with pytest.raises(ValueError, match="go together"):
        make_case("embedded", height=60, width=80, prompts="global", tags=parse(GOOD))
