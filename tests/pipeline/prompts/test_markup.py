"""Markup of other programs, found and told from plain words."""

from __future__ import annotations

import pytest

from pipeline.prompts.markup import find_markup

MARKED = [
    "(x:1.3)",
    "a (b c: .5), d",
    "((x))",
    "x++, y",
    "(x y)--",
    "[x]",
    "[a:b:0.5]",
    "{a|b}",
    "a BREAK b",
    "a AND b",
]
NETWORKS = ["a BREAK b", "a AND b", "<lora:detail:0.7>", "<LoRA: a>"]


@pytest.mark.parametrize("text", MARKED + NETWORKS)
def test_markup_is_found(text: str) -> None:
    found = find_markup(text)
    assert found is not None
    assert all(one in text for one in found.split(", "))


@pytest.mark.parametrize("text", ["a house (old)", "f/1.8, 3:2", "black-and-white, and", "a < b", "breakfast"])
def test_plain_words_are_none(text: str) -> None:
    assert find_markup(text) is None


def test_the_first_of_each_kind_is_told() -> None:
    assert find_markup("(a:1.2) (b:1.3) <lora:c:1> BREAK d") == "(a:1.2), <lora:c:1>, BREAK"
