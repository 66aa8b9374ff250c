"""Configs and tokenizer files, written by hand."""

from __future__ import annotations

import math
import re
from pathlib import Path

import pytest

from pipeline.models.files.configs import read_config, tokenizer_files


def test_a_table(tmp_path: Path) -> None:
    """Infinity too, which diffusers writes although JSON has none."""
    path = tmp_path / "scheduler" / "scheduler_config.json"
    path.parent.mkdir()
    path.write_text('{"lambda_min_clipped": -Infinity, "steps": 3}')
    found = read_config(path, "sd")
    assert found == {"lambda_min_clipped": -math.inf, "steps": 3}


@pytest.mark.parametrize(("what", "library"), [("model", "diffusers"), ("tagger", "transformers")])
def test_one_that_is_not_there(tmp_path: Path, what: str, library: str) -> None:
    message = f"{what} sd: lacks unet/config.json; expected a folder in {library}' format"
    with pytest.raises(FileNotFoundError, match=re.escape(message)):
        read_config(tmp_path / "unet" / "config.json", "sd", what=what)


@pytest.mark.parametrize(
    ("text", "says"), [("[1, 2]", "config.json is no JSON table"), ("{", "config.json"), ('"a"', "is no JSON table")]
)
def test_one_that_is_damaged(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(ValueError, match=f"^model sd: .*{re.escape(says)}.*; copy the model again$"):
        read_config(tmp_path / "config.json", "sd")


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def test_all_files_of_all_tokenizers(tmp_path: Path) -> None:
    """Each can change a token; what only lies beside them cannot."""
    first = [f"tokenizer/{name}" for name in ("vocab.json", "merges.txt", "special_tokens_map.json")]
    other = [f"tokenizer_2/{name}" for name in ("tokenizer.json", "spiece.model")]
    touch(tmp_path, *first, *other, "tokenizer/code.py", "tokenizer/README.md", "text_encoder/config.json")
    (tmp_path / "tokenizer_notes.txt").touch()
    assert tokenizer_files(tmp_path, "sd") == {name: tmp_path / name for name in (*first, *other)}
    assert tokenizer_files(tmp_path / "text_encoder", "sd") == {}


@pytest.mark.parametrize("there", [(), ("vocab.json",), ("merges.txt",), ("spiece.model", "tokenizer_config.json")])
def test_a_tokenizer_without_a_vocabulary(tmp_path: Path, there: tuple[str, ...]) -> None:
    """transformers would make one that knows no word."""
    touch(tmp_path, "tokenizer/tokenizer.json", *(f"tokenizer_2/{name}" for name in (*there, "notes.md")))
    with pytest.raises(FileNotFoundError, match=r"^model sd: lacks the vocabulary of tokenizer_2/: tokenizer.json, or"):
        tokenizer_files(tmp_path, "sd")
