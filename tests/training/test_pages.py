"""Drawn pages: ink on paper, in two tones or in grey, from a seed."""

from __future__ import annotations

from types import ModuleType

import numpy as np
import pytest


@pytest.fixture
def drawn(scripts: dict[str, ModuleType]) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [scripts["pages"].draw_page(rng, 96) for _ in range(60)]


def test_a_page_is_paper_with_some_ink(drawn: list[np.ndarray]) -> None:
    for page in drawn:
        assert page.shape == (96, 96, 3)
        assert page.dtype == np.float32
        assert 0 <= page.min() <= page.max() <= 1
    assert np.median([float(page.max() - page.min()) for page in drawn]) > 0.4
    two = [page for page in drawn if set(np.unique(page)) <= {0.0, 1.0}]
    coloured = [page for page in drawn if np.abs(page[..., 0] - page[..., 2]).max() > 0.02]
    light = [page for page in drawn if np.median(page) > 0.5]
    assert 3 <= len(two) <= 30
    assert 10 <= len(coloured) <= 45
    assert len(light) > 40


def test_the_same_seed_draws_the_same_page(scripts: dict[str, ModuleType]) -> None:
    first, second = (scripts["pages"].draw_page(np.random.default_rng(3), 64) for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_without_fonts_of_the_machine_there_is_one(
    scripts: dict[str, ModuleType], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scripts["pages"], "find_fonts", lambda: ())
    assert scripts["pages"].draw_page(np.random.default_rng(1), 96).std() > 0.02
