"""Lists of pictures: what a row may say, and one line for what it may not."""

from __future__ import annotations

from pathlib import Path

import pytest

from cluster.runs.collection.rows import COLUMNS, Row, read_rows

CSV = """input,output,recipe,bands,scale,seed,range
a.tif,first.tif,,"4,3,2",2,7,
/data/b.tif,,mine.toml,,,,full
s3://bucket/c.tif,,yoda,,,,
"""
LINES = """{"input": "a.tif", "output": "first.tif", "bands": "4,3,2", "scale": 2, "seed": 7}

{"input": "/data/b.tif", "recipe": "mine.toml", "range": "full"}
{"input": ["s3://bucket/c.tif"], "recipe": "yoda", "tags": null}
"""


@pytest.mark.parametrize(("name", "text"), [("list.csv", CSV), ("list.jsonl", LINES)])
def test_csv_and_json_lines_say_the_same(tmp_path: Path, name: str, text: str) -> None:
    """Names are relative to the list's folder; a preset's name is none."""
    (tmp_path / name).write_text(text)
    rows = read_rows(tmp_path / name)
    assert [(row.input, row.output, row.said) for row in rows] == [
        (str(tmp_path / "a.tif"), "first.tif", {"bands": "4,3,2", "scale": 2.0, "seed": 7}),
        ("/data/b.tif", None, {"recipe": str(tmp_path / "mine.toml"), "value_range": "full"}),
        ("s3://bucket/c.tif", None, {"recipe": "yoda"}),
    ]
    assert all(str(tmp_path / name) in row.where for row in rows)


def test_several_files_are_bands(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"input": ["r.tif", "g.tif", "b.tif"], "output": "rgb.tif"}')
    (row,) = read_rows(tmp_path / "a.jsonl")
    assert row.input == tuple(str(tmp_path / name) for name in ("r.tif", "g.tif", "b.tif"))


def test_a_row_says_what_a_job_has() -> None:
    from cluster.job import Job

    names = {"value_range" if name == "range" else name for name in COLUMNS}
    assert names <= {*Job.__dataclass_fields__}
    assert Row(input="a").said == {}


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("a.csv", "file,recipe\na.tif,x\n", "names no column `input`"),
        ("a.csv", "", "names no column `input`"),
        ("a.csv", "input\n", "holds no picture"),
        ("a.csv", "input,input\na,b\n", "names a column twice"),
        ("a.csv", "input,bands\na.tif,4,3,2\n", "line 2: more cells than the header has"),
        ("a.csv", "input,model\na.tif,x\n", "line 2: unknown column 'model'; expected some of input, output"),
        ("a.csv", "input,steps\na.tif,8.5\n", "line 2: steps is '8.5'; expected a whole number"),
        ("a.csv", "input,scale\na.tif,two\n", "line 2: scale is 'two'; expected a number"),
        ("a.csv", "input,recipe\n,x\n", "line 2: expected input"),
        ("a.csv", 'input,recipe\n"a.tif,x\n', "expected CSV with commas"),
        ("a.jsonl", '{"input": "a.tif"\n', "line 1"),
        ("a.jsonl", '["a.tif"]\n', "line 1: expected an object a line"),
        ("a.jsonl", '{"input": []}\n', "line 1: expected input"),
        ("a.jsonl", '{"input": "a.tif"}\n{"input": "b.tif", "steps": true}\n', "line 2: steps is True"),
        ("a.jsonl", '{"input": "a.tif", "recipe": 7}\n', "line 1: recipe is 7; expected a text"),
    ],
)
def test_a_list_that_is_none(tmp_path: Path, name: str, text: str, why: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(ValueError, match="--list ") as caught:
        read_rows(tmp_path / name)
    assert why in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_list_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no such file"):
        read_rows(tmp_path / "a.csv")
