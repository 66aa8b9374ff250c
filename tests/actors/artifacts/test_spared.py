"""What an activity spared, counted by a loop over tiles and steps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from actors.artifacts.layout import DIFFICULTY
from actors.artifacts.spared import Seen, count_seen
from pipeline.plan.plan import Plan
from storage.run import RunStore
from tests.support.tiny import small_plan

GROUPS: dict[str, Any] = {
    "difficulty": "gradient",
    "activity": "groups",
    "group_bounds": (0.6, 0.4),
    "group_times": (250.0, 500.0, 1000.0),
    "steps": 6,
}


def made(folder: Path, plan: Plan) -> tuple[RunStore, np.ndarray]:
    """A store with a map of difficulty of noise, lighter to the right."""
    store, canvas = RunStore.open(str(folder / "run")), plan.regions.canvas
    values = np.random.default_rng(0).random((1, *canvas.shape), dtype=np.float32)
    values = (values + np.linspace(-0.5, 0.5, canvas.width, dtype=np.float32)).clip(0, 1)
    array = store.array(DIFFICULTY, channels=1, grid=plan.regions, dtype="float32")
    for region in range(plan.regions.num_regions):
        array.write(region, np.ascontiguousarray(values[:, *plan.regions.box(region).slices]))
    return store, values[0]


def test_tiles_that_the_model_saw_by_equation_2(tmp_path: Path) -> None:
    """Simple tiles begin at 250, medium ones at 500, hard ones at 1000: a tile is seen at each later time."""
    plan = small_plan(**GROUPS)
    store, difficulty = made(tmp_path, plan)
    seen = 0
    for top in plan.tiles.tops:
        for left in plan.tiles.lefts:
            part = difficulty[top : top + plan.tiles.tile_height, left : left + plan.tiles.tile_width]
            sure = 1 - float(part.mean(dtype=np.float64))
            begins = 250 if sure > 0.6 else 500 if sure > 0.4 else 1000
            seen += sum(begins >= time for time in plan.timesteps)
    found = count_seen(store, plan)
    assert found is not None
    assert (found.tiles, found.all) == (seen, plan.tiles.num_tiles * 6)
    assert 0 < found.tiles < found.all
    assert str(found) == f"the model saw {seen} of {found.all} tiles x steps ({seen / found.all:.0%})"


def test_a_recipe_that_spares_nothing_is_not_counted(tmp_path: Path) -> None:
    assert count_seen(RunStore.open(str(tmp_path / "run")), small_plan()) is None


def test_a_map_that_is_lost_holds_no_picture_back(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    plan = small_plan(**GROUPS)
    store, _ = made(tmp_path, plan)
    store.open_array(DIFFICULTY).delete(0)
    assert count_seen(store, plan) is None
    assert "how many tiles the model saw is not known" in caplog.text


@pytest.mark.parametrize(
    ("tiles", "least", "is_little"), [(10, 0, True), (11, 0, False), (30, 30, True), (31, 30, False), (0, 0, True)]
)
def test_little_is_a_tenth_or_what_any_picture_needs(tiles: int, least: int, is_little: bool) -> None:
    assert Seen(tiles=tiles, all=100, least=least).is_little == is_little
