"""Foreign text: read within bounds, or refused in one line that names it."""

from __future__ import annotations

import json
import math
import os
import random
import tomllib
from pathlib import Path
from typing import Any

import pytest

from storage.documents import MAX_DEPTH, MAX_TOML_BYTES, decode_text, parse_json, parse_toml, read_json, read_toml

JSONS: dict[str, Any] = {
    "deep list": ("[" * 100_000 + "]" * 100_000, "deeper than 64"),
    "deep table": ('{"a":' * 500 + "1" + "}" * 500, "deeper than 64"),
    "just too deep": ("[" * (MAX_DEPTH + 2) + "]" * (MAX_DEPTH + 2), "deeper than 64"),
    "endless number": ('{"box": [' + "9" * 400 + "]}", "400 digits"),
    "endless negative number": ("-" + "9" * 5000, "digits"),
    "endless fraction": ("1e999", "not finite"),
    "no number": ("[NaN]", "NaN"),
    "infinity": ("[-Infinity]", "Infinity"),
    "key twice": ('{"tags": 1, "tags": 2}', "'tags' stands twice"),
    "half a character": ('["\\ud800"]', "lone surrogate"),
    "half a character in a key": ('{"\\udfff": 1}', "lone surrogate"),
    "cut": ('{"a": ', "not JSON"),
    "nothing": ("", "not JSON"),
}
TOMLS: dict[str, Any] = {
    "dotted key": ("a" + ".a" * 50_000 + " = 1", "deeper than 64"),
    "dotted key in quotes": ('"a"' + '."a"' * 50_000 + " = 1", "deeper than 64"),
    "dotted table": ("[a" + " . a" * 30_000 + "]", "deeper than 64"),
    "dotted key in a table": ("x = {a" + ".a" * 30_000 + " = 1}", "deeper than 64"),
    "deep list": ("a = " + "[" * 3000 + "]" * 3000, "deeper than 64"),
    "endless number": ("a = " + "9" * 400, "40 digits"),
    "more endless number": ("a = " + "9" * 5000, "4300 digits"),
    "infinity": ("a = inf", "not finite"),
    "large": ("a = 1\n" * (MAX_TOML_BYTES // 6 + 2), "at most 262144"),
    "an open quotation": ('a = "' + "x" * 200_000, "not a TOML file"),
    "a word": ("x" * 200_000, "not a TOML file"),
}


@pytest.mark.parametrize("case", JSONS)
def test_json_out_of_bounds_is_one_line(case: str) -> None:
    text, message = JSONS[case]
    with pytest.raises(ValueError, match=message) as caught:
        parse_json(text, where="tags.json")
    assert str(caught.value).startswith("tags.json: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("case", TOMLS)
def test_toml_out_of_bounds_is_one_line(case: str) -> None:
    text, message = TOMLS[case]
    with pytest.raises(ValueError, match=message) as caught:
        parse_toml(text, where="recipe.toml")
    assert str(caught.value).startswith("recipe.toml: ")


def test_what_libraries_read_is_read_alike() -> None:
    text = json.dumps({"a": [1, -2.5, True, None, "é"], "b": {"c": 2**63, "d": 1e-300}})
    assert parse_json(text, where="here") == json.loads(text)
    toml = (
        'prompt = """a.b.c [[[ {{{ \n # no comment"""\nsize = 1.5 # a.b [[[\n'
        "[a.b]\n\"c.d\" = '[[['\nwhen = 2026-01-02\n"
    )
    assert parse_toml(toml, where="here") == tomllib.loads(toml)
    deep = "[" * MAX_DEPTH + "]" * MAX_DEPTH
    assert parse_json(deep, where="here") == json.loads(deep)


def test_infinity_only_where_it_is_asked_for() -> None:
    text = '{"least": -Infinity, "most": Infinity}'
    assert parse_json(text, where="here", infinite=True) == {"least": -math.inf, "most": math.inf}
    with pytest.raises(ValueError, match="here: not JSON: -Infinity"):
        parse_json(text, where="here")
    for bad in ("[NaN]", "[1e999]"):
        with pytest.raises(ValueError, match="here: not JSON"):
            parse_json(bad, where="here", infinite=True)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le-mark", "utf-16-be-mark"])
def test_marks_of_editors_are_no_text(encoding: str, tmp_path: Path) -> None:
    """Windows' editors write a byte order mark, and CRLF."""
    marks = {"utf-16-le-mark": ("utf-16-le", b"\xff\xfe"), "utf-16-be-mark": ("utf-16-be", b"\xfe\xff")}
    name, mark = marks.get(encoding, (encoding, b""))
    (tmp_path / "r.toml").write_bytes(mark + 'prompts.text = "é"\r\nsampling.steps = 1\r\n'.encode(name))
    (tmp_path / "t.json").write_bytes(mark + '{"tags":\r\n["é"]}'.encode(name))
    assert read_toml(tmp_path / "r.toml") == {"prompts": {"text": "é"}, "sampling": {"steps": 1}}
    assert read_json(tmp_path / "t.json") == {"tags": ["é"]}


def test_other_encodings_are_refused_with_their_line() -> None:
    with pytest.raises(ValueError, match=r"words\.txt: line 3 is not UTF-8"):
        decode_text("a\nb\né".encode("latin-1"), where="words.txt")
    with pytest.raises(ValueError, match="UTF-16-LE"):
        decode_text(b"\xff\xfea", where="words.txt")


def test_what_is_no_file_is_refused_and_never_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ValueError, match="pipe: is no file"):
        read_json(tmp_path / "pipe")
    with pytest.raises(ValueError, match="is no file"):
        read_json(tmp_path)
    with pytest.raises(FileNotFoundError, match="no such file"):
        read_toml(tmp_path / "absent")
    with pytest.raises(FileNotFoundError, match="no such file"):
        read_toml(Path("a\0b"))


def test_bytes_at_random_end_in_one_line_or_a_value() -> None:
    draw = random.Random(20260101)
    good = b'{"height": 4, "tags": [{"box": [0, 0, 2, 2], "tags": {"water": 0.5}}], "n": null}'
    refused: list[str] = []
    for _ in range(3000):
        data = bytearray(good)
        for _ in range(draw.randint(1, 4)):
            data[draw.randrange(len(data))] = draw.randrange(256)
        for parse in (parse_json, parse_toml):
            try:
                parse(bytes(data), where="here")
            except ValueError as e:
                refused.append(str(e))
    assert len(refused) > 3000
    assert all(line.startswith("here: ") and "\n" not in line for line in refused)


def test_many_brackets_beside_each_other_are_not_deep() -> None:
    assert parse_json("[" + ",".join(["[]"] * 500) + "]", where="here") == [[]] * 500
