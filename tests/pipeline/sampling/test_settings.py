"""What a recipe can say of sampling, guidance and difficulty."""

from __future__ import annotations

import pytest

from pipeline.sampling.settings import Difficulty, Guidance, Sampling
from pipeline.sampling.solvers import ROWS
from pipeline.settings import by_name
from tests.support.settings import told

ALL = by_name((Sampling, Guidance, Difficulty))


def test_solvers_are_those_that_there_are() -> None:
    assert ALL["sampling.solver"].about.choices == tuple(row.name for row in ROWS)


def test_the_low_band_is_one_over_a_whole_number() -> None:
    assert Guidance(low_band=0.25).low_cell == 4
    with pytest.raises(ValueError, match=r"recipe: guidance.low_band must be one over a whole number"):
        Guidance(low_band=0.3)
    with pytest.raises(ValueError, match=r"guidance.weight must be between 0 and 100"):
        Guidance(weight=101.0)


def test_what_is_said_of_sampling() -> None:
    assert told(Sampling) == {
        "steps": "None; at least 1",
        "solver": "None",
        "spacing": "'model'; excludes difficulty.activity = 'groups'",
        "start": "None; first without; plain 'noise'",
        "strength": "1.0; above 0 and at most 1; excludes difficulty.activity = 'groups'",
        "restart": "1.0; above 0 and at most 1; excludes difficulty.activity = 'groups'",
        "skip": "0.0; at least 0; first without",
        "coarse": "None",
        "detail": "None; between 0 and 1",
    }


def test_what_is_said_of_guidance() -> None:
    assert told(Guidance) == {
        "weight": "None; between 0 and 100",
        "guide": "'none'; first without",
        "low_band": "0.125",
    }


def test_what_is_said_of_difficulty() -> None:
    assert told(Difficulty) == {
        "activity": "'all'; first without",
        "source": "None; nothing asked by (None, 'none'); needs difficulty.activity = 'groups' or 'mask'; first "
        "without",
        "heads": "'max'; read_with difficulty.source = 'attention'",
        "cell": "None; at least 1; read_with difficulty.activity = 'groups' or 'mask'",
        "power": "None; above 0 and at most 16; read_with difficulty.activity = 'groups' or 'mask'",
        "idle_spread": "0.55; between 0 and 1; read_with difficulty.activity = 'groups' or 'mask'",
        "group_bounds": "None; read_with difficulty.activity = 'groups'",
        "group_numbers": "'chosen'; read_with difficulty.activity = 'groups'",
        "group_times": "(400.0, 700.0, 1000.0); read_with difficulty.activity = 'groups'",
        "group_steps": "None; needs difficulty.activity = 'groups'; first without",
        "lower_bound": "None; above 0 and at most 1; read_with difficulty.activity = 'mask'",
    }
