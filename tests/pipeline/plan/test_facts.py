"""Where a plan stands in a progressive run."""

from __future__ import annotations

import pytest

from pipeline.plan.facts import ONLY_STAGE, Stage


@pytest.mark.parametrize(
    ("index", "count", "is_last"), [(0, 1, True), (0, 2, False), (1, 2, True), (1, 3, False), (2, 3, True)]
)
def test_the_last_stage(index: int, count: int, is_last: bool) -> None:
    assert Stage(index=index, count=count).is_last == is_last


def test_a_run_of_one() -> None:
    assert ONLY_STAGE.is_last
    assert ONLY_STAGE.decodes
    assert not ONLY_STAGE.from_text
    assert ONLY_STAGE.before is None
