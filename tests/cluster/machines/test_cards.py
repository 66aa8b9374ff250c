"""Models are described once for all jobs that share what is known of them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from cluster.machines import cards as module
from cluster.machines.cards import Cards


def test_each_model_is_described_once_by_whoever_asks_first(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(module, "describe_model", lambda name, **given: asked.append((name, *given.values())) or name)
    cards = Cards()
    with ThreadPoolExecutor(4) as threads:
        found = [*threads.map(lambda _: cards.describe("a", allow_pickle=False, strict=True), range(8))]
    assert found == ["a"] * 8
    assert asked == [("a", False, True)]
    cards.describe("a", allow_pickle=False, strict=False)
    cards.describe("b", allow_pickle=True, strict=True)
    Cards().describe("a", allow_pickle=False, strict=True)
    assert asked[1:] == [("a", False, False), ("b", True, True), ("a", False, True)]


def test_what_is_no_model_is_said_again(monkeypatch: pytest.MonkeyPatch) -> None:
    cards = Cards()
    for _ in range(2):
        with pytest.raises(FileNotFoundError):
            cards.describe("/nowhere/model", allow_pickle=False, strict=True)
