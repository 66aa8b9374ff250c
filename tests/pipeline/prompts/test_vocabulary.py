"""Vocabulary files: what they say, and what is refused."""

from __future__ import annotations

import pytest

from pipeline.prompts.vocabulary import default_vocabulary, parse_vocabulary


def test_phrases_in_order_and_in_groups() -> None:
    found = parse_vocabulary("# one\n  flat   roof \nwater\n\n[degradations]\nnoise\n", where="v.txt")
    assert (found.phrases, found.degradations) == (("flat roof", "water"), ("noise",))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "v.txt: no phrase of content"),
        ("# nothing\n[degradations]\nnoise", "no phrase of content"),
        ("water\nroof\nWater", "line 3: 'Water' is on line 1 already"),
        ("water\n[degradations]\nwater", "line 3: 'water' is on line 1 already"),
        ("water, roof", "line 1: expected a phrase without commas"),
        ("[content]\nwater", r"line 1: expected .*\[degradations\], got '\[content\]'"),
    ],
)
def test_refusals(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_vocabulary(text, where="v.txt")


def test_the_packages_own_is_one() -> None:
    own = default_vocabulary()
    assert len(own.phrases) > 50
    assert "jpeg artifacts" in own.degradations
