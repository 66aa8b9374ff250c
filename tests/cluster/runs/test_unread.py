"""Which options were given, how bright a map is, and what of a job is handed on to the table of settings."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cluster.job import Job, TextJob
from cluster.runs import unread
from cluster.runs.unread import brightest, find_vain, given_options
from pipeline.plan.recipe import Recipe


def test_options_that_are_not_at_their_defaults() -> None:
    """By the names of the command line; what has no default is no option."""
    assert given_options(Job(input="a", output="b")) == {}
    job = Job(input="a", output="b", scale=2, allow_pickle=True, tagger_gpu=0.5, textures="t", workers=0)
    expected = {"--scale": 2, "--allow-pickle": True, "--tagger-gpu": 0.5, "--textures": "t", "--workers": 0}
    assert given_options(job) == expected
    assert given_options(TextJob(prompt="sea", output="b", negative="", guidance=0.0)) == {
        "--negative": "",
        "--guidance": 0.0,
    }
    assert given_options(Job(input="a", output="b", scale=4)) == {}


@pytest.fixture
def saved(tmp_path: Path) -> Any:
    def save(values: np.ndarray) -> str:
        Image.fromarray(values).save(tmp_path / "map.png")
        return str(tmp_path / "map.png")

    return save


@pytest.mark.parametrize("value", [1, 255])
@pytest.mark.parametrize("place", [(0, 0), (4, 0), (0, 8), (4, 8)])
def test_the_first_that_is_not_black(
    saved: Any, value: int, place: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever it lies: pieces of two pixels a side are read of 5 x 9."""
    monkeypatch.setattr(unread, "SIDE", 2)
    values = np.zeros((5, 9), np.uint8)
    values[place] = value
    assert brightest(saved(values)) == value


def test_a_black_map(saved: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unread, "SIDE", 4)
    assert brightest(saved(np.zeros((5, 9), np.uint8))) == 0


def test_it_is_read_no_further_than_needed(saved: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The largest value of the first piece that is not black, not of the whole map."""
    monkeypatch.setattr(unread, "SIDE", 4)
    values = np.zeros((4, 8), np.uint8)
    values[2, 1], values[3, 3], values[0, 6] = 7, 9, 200
    assert brightest(saved(values)) == 9


def test_what_is_handed_on(saved: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    cases: list[Any] = []

    def find(case: Any) -> list[str]:
        cases.append(case)
        return ["a line"]

    monkeypatch.setattr(unread, "find_unread", find)
    monkeypatch.setattr(unread, "read_model_file", lambda model, *, allow_pickle: (model, allow_pickle))
    monkeypatch.setattr(unread, "read_memory", lambda url: SimpleNamespace(facts={"scale": 3, "url": url}))
    path = saved(np.full((2, 3), 5, np.uint8))
    asked, plans = Recipe(name="mine"), [object(), object()]
    job = Job(input="a", output="b", model="m", allow_pickle=True, textures="t", difficulty=path)
    assert find_vain(job, asked, plans) == ["a line"]  # type: ignore[arg-type]
    (case,) = cases
    assert (case.asked, case.plans, case.file) == (asked, tuple(plans), ("m", True))
    assert (case.memory_scale, case.brightest) == (3, 5)
    assert case.options == {"--model": "m", "--allow-pickle": True, "--textures": "t", "--difficulty": path}
    find_vain(TextJob(prompt="a", output="b"), asked, plans)  # type: ignore[arg-type]
    assert (cases[1].memory_scale, cases[1].brightest, cases[1].options) == (None, None, {})
