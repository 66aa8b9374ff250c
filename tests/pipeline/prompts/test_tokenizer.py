"""A tokenizer's numbers by hand, and code beside it that is not run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipeline.prompts.tokenizer import read_tokenizer
from tests.support.tiny import write_tokenizer


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_tokenizer(tmp_path / "tokenizer")
    return tmp_path / "tokenizer"


def test_letters_are_tokens(folder: Path) -> None:
    """26 letters, 26 that end a word, the start (52) and the end (53)."""
    found = read_tokenizer(folder)
    assert found("ab c").input_ids == [52, 0, 26 + 1, 26 + 2, 53]
    assert found("").input_ids == [52, 53]
    assert found.model_max_length == 16


def test_code_beside_the_files_is_never_run(folder: Path, tmp_path: Path) -> None:
    config = json.loads((folder / "tokenizer_config.json").read_text())
    config["auto_map"] = {"AutoTokenizer": ["evil.Evil", None]}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    ran = tmp_path / "ran"
    (folder / "evil.py").write_text(
        f"import pathlib\npathlib.Path({str(ran)!r}).touch()\nfrom transformers import CLIPTokenizer as Evil\n"
    )
    assert read_tokenizer(folder)("a").input_ids == [52, 26, 53]
    assert not ran.exists()


def test_a_folder_without_one(tmp_path: Path) -> None:
    (tmp_path / "tokenizer").mkdir()
    with pytest.raises((OSError, ValueError)):
        read_tokenizer(tmp_path / "tokenizer")
