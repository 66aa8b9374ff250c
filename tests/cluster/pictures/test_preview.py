"""Looking at a run that is at work: regions come and go meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import Result

from actors.artifacts.layout import latent_name
from cluster.pictures import preview
from storage.run import RunStore
from tests.support.runs import Case, make_case, sit

Run = Callable[..., Result]
LOOK = ["decode", "run", "--step", "1", "--model", "analytic", "--output", "look.png"]


@pytest.fixture
def case() -> Case:
    """Two by two regions."""
    case = make_case("analytic", height=40, width=40, region=32, window=32, overlap=8, steps=2, keep_steps=1)
    assert (case.plan.regions.rows, case.plan.regions.cols) == (2, 2)
    return case


def test_a_plan_and_nothing_else(run: Run, tmp_path: Path, case: Case) -> None:
    store = RunStore.open("run")
    store.write_plan(case.plan.to_json())
    result = run(*LOOK)
    assert "not begun yet" in result.stderr
    assert result.exit_code == 1
    store.array(latent_name(0), channels=case.plan.geometry.channels, grid=case.plan.regions, dtype="float32")
    assert "not begun yet" in run(*LOOK).stderr
    assert not (tmp_path / "look.png").exists()


@pytest.mark.parametrize("gone", [0, 3])
def test_a_region_that_vanishes_is_black(
    run: Run, tmp_path: Path, case: Case, monkeypatch: pytest.MonkeyPatch, gone: int
) -> None:
    """Its neighbours are shown, too, without what they would have read of it."""
    store = case.begin("run")
    sit(case, store)
    listed = preview._regions

    def vanishing(store: RunStore, name: str) -> set[int]:
        there = listed(store, name)
        store.open_array(name).delete(gone)
        return there

    monkeypatch.setattr(preview, "_regions", vanishing)
    result = run(*LOOK)
    assert result.exit_code == 0, result.output
    assert "3 of 4 regions are at step 1" in result.stdout
    assert "1 regions were deleted" in result.stderr
    with Image.open(tmp_path / "look.png") as image:
        pixels = np.asarray(image).transpose(2, 0, 1)
    grid = case.plan.out_regions
    black = [region for region in range(4) if not pixels[:, *grid.box(region).slices].any()]
    assert black == [gone]
