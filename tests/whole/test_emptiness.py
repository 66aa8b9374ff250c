"""Pictures with much that is no data: what is data comes out as if all of it had been computed."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from actors.artifacts.layout import COARSE, OUT
from pipeline.plan.plan import Plan
from storage.occupancy import CELL, Occupancy
from tests.support.runs import Case, make_case, sit

HELD = np.zeros((8, 9), bool)
HELD[0, 0] = HELD[1, 0] = True
"""squares of the picture that hold data: two in a corner of it"""


def results(case: Case, folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Coarse latents and output pixels."""
    store = case.begin(str(folder))
    sit(case, store)
    plan = case.plan
    return store.open_array(COARSE).read(plan.regions.canvas), store.open_array(OUT).read(plan.out_regions.canvas)


def with_holes(plan: Plan) -> Plan:
    table = Occupancy.of(HELD, height=plan.image.height, width=plan.image.width)
    return dataclasses.replace(plan, image=dataclasses.replace(plan.image, occupancy=table))


@pytest.mark.parametrize(
    "recipe",
    [
        {"colour": "none"},
        {"colour": "wavelet", "overlap": 16, "jitter": "step"},
        {"guide": "structure", "low_band": 0.25},
        {"activity": "groups", "difficulty": "gradient"},
    ],
)
def test_data_are_what_they_are_without_holes(recipe: dict[str, Any], tmp_path: Path) -> None:
    """The result without holes is computed everywhere; batches are others, so it is the same but for rounding."""
    settings = {"region": 128, "window": 32, "overlap": 8, "steps": 3, **recipe}
    case = make_case("analytic", height=8 * CELL, width=9 * CELL, **settings)
    holey = dataclasses.replace(case, plan=with_holes(case.plan))
    (coarse, out), (coarse_with, out_with) = results(case, tmp_path / "a"), results(holey, tmp_path / "b")
    known = HELD.repeat(4 * CELL, 0).repeat(4 * CELL, 1)
    assert np.abs(out.astype(int) - out_with)[:, known].max() <= 1
    spared = ~coarse_with.any(axis=0)
    # within a region that holds data, and whole regions
    assert spared[:128, :128].any()
    assert not spared[:64, :32].any()
    assert 0.5 < spared.mean() < 0.95
    assert coarse.any(axis=0).all()
