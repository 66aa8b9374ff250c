"""GeoJSON as a tag file: what it says of crops, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from pipeline.plan.record import plan_from_json
from pipeline.prompts.geojson import parse_geojson
from pipeline.prompts.tag_file import TagFile
from storage.box import Box
from tests.support.runs import make_case

SQUARE = [[0, 0], [40, 0], [40, 60], [0, 60], [0, 0]]
TRIANGLE = [[40.0, 0.0, 7.0], [80.0, 0.0, 7.0], [40.0, 60.0, 7.0], [40.0, 0.0, 7.0]]


def feature(tags: Any, *rings: Any, kind: str = "Polygon") -> dict[str, Any]:
    return {"type": "Feature", "properties": {"tags": tags}, "geometry": {"type": kind, "coordinates": list(rings)}}


def collection(*features: Any, **more: Any) -> dict[str, Any]:
    return {"type": "FeatureCollection", "features": list(features), **more}


def flat(points: Sequence[tuple[float, float]], crs: str | None) -> list[tuple[float, float]]:
    """x, y are columns and rows here; EPSG:9 counts from another corner."""
    return [(y, x + (1000 if crs == "EPSG:9" else 0)) for x, y in points]


def parse(table: Any) -> TagFile:
    return parse_geojson(table, where="t.geojson", to_pixels=flat, height=60, width=80)


def test_tags_of_a_crop() -> None:
    found = parse(collection(feature(["water"], SQUARE), feature({"strong blur": 0.5}, TRIANGLE)))
    assert found.tags(Box(top=0, left=0, height=60, width=38)) == [("water", 1.0)]
    assert found.tags(Box(top=0, left=42, height=20, width=20)) == [("strong blur", 0.5)]
    assert found.tags(Box(top=40, left=60, height=20, width=20)) == []
    assert found.tags(Box(top=0, left=30, height=20, width=20)) == [("water", 1.0), ("strong blur", 0.5)]


def test_the_polygon_counts_and_not_the_box_round_it() -> None:
    """The crop lies in the triangle's box, and shares a corner of 1/8 with the triangle."""
    crop = Box(top=30, left=60, height=10, width=10)
    water = [[60, 30], [65, 30], [60, 35], [60, 30]]
    hole = [[61, 31], [62, 31], [61, 32], [61, 31]]
    red = [[60, 30], [70, 30], [60, 40], [60, 30]]
    found = parse(collection(feature(["water"], water, hole), feature(["red"], red)))
    assert found.entries[0][0].area == 12.0
    assert found.tags(crop) == [("red", 1.0), ("water", 1.0)]
    assert found.tags(Box(top=24, left=54, height=10, width=10)) == [("water", 1.0)]


def test_several_polygons_and_the_plans_record() -> None:
    table = collection(feature(["water"], [SQUARE], [TRIANGLE], kind="MultiPolygon"), degradations=["strong blur"])
    found = parse(table)
    assert found.entries[0][0].area == 60 * 40 + 60 * 40 / 2
    plan = make_case("embedded", height=60, width=80, tags=found).plan
    assert plan_from_json(plan.to_json()) == plan
    assert "strong blur" in plan.degradations
    assert json.loads(plan.to_json())["tags"]["degradations"] == ["strong blur"]


def test_features_beside_the_image_are_left_out() -> None:
    far = [[x + 500, y] for x, y in SQUARE]
    assert len(parse(collection(feature(["sky"], far), feature(["water"], SQUARE))).entries) == 1


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"type": "Feature"}, "expected a FeatureCollection with features, got type 'Feature'"),
        (collection(), "expected a FeatureCollection with features"),
        (collection({"type": "Feature", "properties": {}}), r"features\[0\]: expected a feature with tags"),
        (collection(feature(["water"], [0, 0], kind="Point")), "expected a Polygon or MultiPolygon, got 'Point'"),
        (collection(feature(["a, b"], SQUARE)), "phrases without commas"),
        (collection(feature({"a": 3}, SQUARE)), "numbers from 0 to 1"),
        (collection(feature(["a"], SQUARE[:-1])), "end where it begins"),
        (collection(feature(["a"], [["x", 0]] * 5)), "x, y in finite numbers"),
        (collection(feature(["a"])), "polygons as lists of rings"),
        (collection(feature(["a"], SQUARE), crs="EPSG:4326"), "crs must be"),
        (collection(feature(["a"], SQUARE), crs={"type": "name", "properties": None}), "crs must be"),
        (collection({"type": "Feature", "properties": {"tags": ["a"]}, "geometry": "sea"}), "MultiPolygon, got None"),
        (collection(feature(["a"], SQUARE), degradations=[3]), "degradations: tags must be phrases"),
        (
            collection(feature(["a"], SQUARE), crs={"type": "name", "properties": {"name": "EPSG:9"}}),
            r"all 1 features lie beside the image of 60 x 80 pixels, .* columns 1000 to 1040: give the file",
        ),
    ],
)
def test_refusals(table: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse(table)
