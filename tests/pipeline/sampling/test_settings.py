"""What a recipe can say of sampling, guidance and difficulty."""

from __future__ import annotations

import pytest

from pipeline.sampling.settings import Difficulty, Guidance, Sampling
from pipeline.sampling.solvers import ROWS
from pipeline.settings import by_name

ALL = by_name((Sampling, Guidance, Difficulty))


def test_solvers_are_those_that_there_are() -> None:
    assert ALL["sampling.solver"].about.choices == tuple(row.name for row in ROWS)


def test_the_low_band_is_one_over_a_whole_number() -> None:
    assert Guidance(low_band=0.25).low_cell == 4
    with pytest.raises(ValueError, match=r"recipe: guidance.low_band must be one over a whole number"):
        Guidance(low_band=0.3)
    with pytest.raises(ValueError, match=r"guidance.weight must be between 0 and 100"):
        Guidance(weight=101.0)
