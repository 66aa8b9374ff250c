"""What of a prompt is read, and what falls off, against the tokenizers' own counting."""

from __future__ import annotations

from pathlib import Path

import pytest
from transformers import AutoTokenizer

from pipeline.models.registry import describe_model
from pipeline.prompts.text_limit import Cut, TextLimit, load_text_limit, split_phrases
from tests.support.tiny import write_stable_diffusion


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_stable_diffusion(tmp_path_factory.mktemp("models") / "sdxl", xl=True)


@pytest.fixture(scope="module")
def limit(folder: Path) -> TextLimit:
    """Letters are tokens here, 16 of them with the start and the end."""
    return load_text_limit(str(folder), describe_model(str(folder)).geometry.inputs.text_tokens)


def test_whole_phrases_fall_off_the_end(limit: TextLimit) -> None:
    fits = "abcde, fgh, ijkl"
    assert limit.cut(fits) == Cut(fits)
    assert limit.cut("abcde,fgh, ijkl, x") == Cut("abcde, fgh, ijkl", ("x",))
    assert limit.cut("abcde,  fgh, ijklm, x") == Cut("abcde, fgh", ("ijklm", "x"))


def test_a_phrase_too_long_by_itself_loses_words(limit: TextLimit) -> None:
    assert limit.cut("abcdef ghi jklmn op, x") == Cut("abcdef ghi jklmn", ("op", "x"))
    assert limit.cut("a" * 40) == Cut("", ("a" * 40,))


def test_what_is_kept_is_all_that_the_encoder_would_read(limit: TextLimit, folder: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(folder / "tokenizer")
    for prompt in ("a, b, c, d, e, f, g, h, i, j", "abc, def, ghi, jkl", "", "abcdefghijklmn", "abcdefghijklmno"):
        cut = limit.cut(prompt)
        assert len(tokenizer(cut.prompt).input_ids) <= 16
        assert split_phrases(cut.prompt) + list(cut.dropped) == split_phrases(prompt)
        if cut.dropped and cut.prompt:
            more = f"{cut.prompt}, {cut.dropped[0]}"
            assert len(tokenizer(more).input_ids) > 16


def test_words_fall_off_when_no_encoder_reads_them(folder: Path) -> None:
    tokenizers = [AutoTokenizer.from_pretrained(folder / name) for name in ("tokenizer", "tokenizer_2")]
    both = TextLimit([(tokenizers[0], 4), (tokenizers[1], 8)])
    assert both.cut("ab, cd, ef").prompt == "ab, cd"


def test_a_model_without_text_has_no_limit() -> None:
    limit = load_text_limit("", None)
    assert limit.cut("word " * 1000).dropped == ()
