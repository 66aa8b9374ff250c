"""Drawn pages: in range, repeatable, of the tones that were asked for, and not blank."""

from __future__ import annotations

from types import ModuleType

import numpy as np
import pytest


def test_pages_are_in_range_and_repeatable(scripts: dict[str, ModuleType]) -> None:
    draw_page = scripts["pages"].draw_page
    for seed in range(12):
        page = draw_page(np.random.default_rng(seed), 64)
        assert page.shape == (64, 64, 3)
        assert page.dtype == np.float32
        assert 0 <= page.min() < page.max() <= 1, "ink on paper"
        np.testing.assert_array_equal(page, draw_page(np.random.default_rng(seed), 64))


def test_some_pages_are_black_and_white_alone(scripts: dict[str, ModuleType], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scripts["pages"], "TWO_TONES", 1.0)
    for seed in range(6):
        page = scripts["pages"].draw_page(np.random.default_rng(seed), 48)
        assert set(np.unique(page)) == {0.0, 1.0}


def test_paper_is_light_and_ink_is_dark_or_the_other_way_round(
    scripts: dict[str, ModuleType], monkeypatch: pytest.MonkeyPatch
) -> None:
    pages = scripts["pages"]
    for inverted in (0.0, 1.0):
        monkeypatch.setattr(pages, "INVERTED", inverted)
        light = [np.median(pages.draw_page(np.random.default_rng(seed), 64)) > 0.5 for seed in range(12)]
        # paper covers most of a page, whatever its letters are
        assert sum(light) >= 10 if inverted == 0 else sum(light) <= 2


def test_a_machine_without_fonts_draws_with_the_one_that_is_shipped(
    scripts: dict[str, ModuleType], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scripts["pages"], "find_fonts", tuple)
    page = scripts["pages"].draw_page(np.random.default_rng(0), 64)
    assert page.min() < page.max()
