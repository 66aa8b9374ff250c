"""Names of results: filled in from the input's, distinct, and below OUTPUT."""

from __future__ import annotations

from pathlib import Path

import pytest

from cluster.runs.collection.names import Named, check_distinct, check_pattern, fill
from storage.errors import ImageError


@pytest.mark.parametrize(
    ("pattern", "given", "expected"),
    [
        ("{stem}.tif", "a/b.c.png", "b.c.tif"),
        ("{stem}.{suffix}", "a/b.jpg", "b.jpg"),
        ("{stem}.{suffix}", "/a/b.ome.zarr", "b.ome.zarr"),
        ("{folder}/{stem}.png", "s3://bucket/part/b.tif?x=1", "part/b.png"),
        ("{folder}-{stem}.png", "/vsizip/a.zip/in/b.tif", "in-b.png"),
        ("{number:03}.tif", "b.png", "007.tif"),
    ],
)
def test_a_pattern(pattern: str, given: str, expected: str) -> None:
    check_pattern(pattern)
    assert fill(pattern, Named(input=given, number=7)) == expected


def test_a_page_stands_before_the_suffix_and_what_a_row_says_goes_before_the_pattern() -> None:
    assert fill("{stem}.tif", Named(input="a.png", number=1, page=3)) == "a-p3.tif"
    assert fill("{stem}.tif", Named(input="a.png", number=1, page=3, output="b.ome.zarr")) == "b-p3.ome.zarr"


def test_the_folder_of_a_plain_name_is_the_one_around(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert fill("{folder}-{stem}.tif", Named(input="a.png", number=1)) == f"{tmp_path.name}-a.tif"


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        ("{name}.tif", "{name} is none of {stem}"),
        ("{stem}", "expected a name in"),
        ("{stem}.xyz", "expected a name in"),
        ("{stem.tif", "expected '}'"),
        ("../{stem}.tif", "below OUTPUT"),
        ("/{stem}.tif", "below OUTPUT"),
        ("{number:q}.tif", "format code"),
    ],
)
def test_a_pattern_that_is_none(pattern: str, why: str) -> None:
    with pytest.raises(ValueError, match=r"--name .*; expected such as '\{stem\}.tif'") as caught:
        check_pattern(pattern)
    assert why in str(caught.value)


@pytest.mark.parametrize("output", ["../a.tif", "/a.tif", "", "s3://b/a.tif", "."])
def test_a_name_that_is_not_below_output(output: str) -> None:
    with pytest.raises((ValueError, ImageError), match=r"below OUTPUT|expected a name in"):
        fill("{folder}", Named(input="a.png", number=1, output=output or "a/.."))


def test_two_of_one_name_are_refused_on_disks_of_any_kind() -> None:
    check_distinct(["a.tif", "b.tif"], ["x/a.png", "x/b.png"])
    with pytest.raises(ValueError, match=r"x/a.png and y/A.png would both be written to A.tif: give --name"):
        check_distinct(["a.tif", "b.tif", "A.tif"], ["x/a.png", "x/b.png", "y/A.png"])
