"""ControlNets of later stages see the edges of the stage before: the plain loops' numbers, and the same bytes."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from actors.artifacts.edges import read_edges
from actors.artifacts.layout import EDGES, OUT
from actors.drive import StoppedError
from pipeline.imaging.edges import edges
from pipeline.plan.cost import price
from storage.box import Box
from tests.support import demofusion
from tests.support.composite import write_composite
from tests.support.series import Series, begin, plan_series
from tests.whole.test_progressive import CORRECTED, OFFICIAL, PUBLISHED, apart, digest, make_oracle, result

SHOWN = {"preset": "accdiffusion-v2", "prompts": "global", "jitter": "step", "structure": "edges"}
SHOWN |= {"steps": 2, "keep_steps": 2}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A tiny SDXL whose ControlNet for edges leaves the last of two steps alone."""
    path = write_composite(tmp_path_factory.mktemp("model"), xl=True)
    path.write_text(path.read_text().replace("scale = 0.8", "scale = 0.8\nend = 0.7"))
    return str(path)


def picture(series: Series, index: int) -> np.ndarray:
    array = series.stores[index].open_array(OUT)
    return array.read(array.grid.canvas)


def shown_edges(series: Series, phase: int, share: float) -> torch.Tensor:
    """[3, y, x]: edges of the picture of the phase before, found at once and enlarged by torch."""
    before, plan = picture(series, phase - 2), series.plans[phase - 1]
    middle = float(np.median(before))
    found = torch.from_numpy(edges(before, int((1 - share) * middle), int((1 + share) * middle))).double()
    size = [plan.geometry.factor * side for side in plan.regions.canvas.shape]
    return torch.nn.functional.interpolate(found[None, None], size=size, mode="bicubic")[0].float().expand(3, -1, -1)


@pytest.mark.parametrize(
    ("recipe", "settings"),
    [({}, {**CORRECTED, "interaction": 9}), ({**OFFICIAL, "edge_share": 0.5, "interaction": False}, PUBLISHED)],
    ids=["accdiffusion", "official"],
)
def test_equals_the_plain_loops(model: str, tmp_path: Path, recipe: dict[str, Any], settings: dict[str, Any]) -> None:
    """Published views reach beyond the canvas, where they are shown zeros."""
    series = begin(tmp_path, model, plan_series(model, 192, 256, **{**SHOWN, **recipe}))
    series.sit()
    share = recipe.get("edge_share", 0.3)
    oracle = make_oracle(
        series,
        192,
        256,
        control=lambda phase: shown_edges(series, phase, share) if phase > 1 else None,
        control_range=(0.0, 0.7),
        **settings,
    )
    expected = demofusion.run(oracle)
    assert series.plans[1].regions.num_regions > 1
    found = demofusion.restandardised(result(series, 1), expected[0].mean(), expected[0].std())
    assert apart(result(series, 0), expected[0]) < 1e-5
    assert apart(found, expected[1]) < 1e-5


@pytest.fixture(scope="module")
def whole(model: str, tmp_path_factory: pytest.TempPathFactory) -> Series:
    series = begin(tmp_path_factory.mktemp("whole"), model, plan_series(model, 384, 192, **SHOWN))
    series.sit()
    return series


@pytest.mark.parametrize("turns", [20])
def test_stopped_anywhere_gives_the_same_bytes(model: str, whole: Series, tmp_path: Path, turns: int) -> None:
    stores = (*whole.stores[:2], begin(tmp_path, model, whole.plans).stores[2])
    series = Series(model=model, plans=whole.plans, stores=stores)
    calls = itertools.count()
    with pytest.raises(StoppedError):
        series.sit([2], should_stop=lambda: next(calls) >= turns)
    series.sit([2])
    assert digest(series) == digest(whole)


def test_the_pass_stops_between_rows_and_goes_on(model: str, whole: Series, tmp_path: Path) -> None:
    """Stopped in every row of each of its three passes; what was written by then stays as it is."""
    stores = (*whole.stores[:2], begin(tmp_path, model, whole.plans).stores[2])
    series = Series(model=model, plans=whole.plans, stores=stores)
    expected, grid = whole.stores[2].open_array(EDGES), whole.stores[1].open_array(OUT).grid
    assert (grid.rows, grid.cols) == (2, 1)
    for stop_at in range(1, 3 * grid.rows + 1):
        calls = itertools.count(1)

        def stop(calls: Any = calls, stop_at: int = stop_at) -> None:
            if next(calls) == stop_at:
                raise StoppedError("stopped")

        with pytest.raises(StoppedError):
            series.bring_edges(2, stop)
    assert series.stores[2].journal.replay() == []
    series.bring_edges(2)
    found = series.stores[2].open_array(EDGES)
    assert np.array_equal(found.read(found.grid.canvas), expected.read(grid.canvas))
    assert len(series.stores[2].journal.replay()) == 1


def test_damaged_edges_are_found_again(model: str, whole: Series, tmp_path: Path) -> None:
    stores = (*whole.stores[:2], begin(tmp_path, model, whole.plans).stores[2])
    series = Series(model=model, plans=whole.plans, stores=stores)
    series.bring_edges(2)
    array = series.stores[2].open_array(EDGES)
    expected = array.read(array.grid.canvas)
    path = tmp_path / "stage-2" / "cond" / "edges" / "c" / "0" / "1" / "0"
    path.write_bytes(path.read_bytes()[:-9])
    series.bring_edges(2)
    assert np.array_equal(array.read(array.grid.canvas), expected)
    records = series.stores[2].journal.replay()
    assert len(records) == 2
    assert records[0].extra == records[1].extra
    series.bring_edges(2)
    assert len(series.stores[2].journal.replay()) == 2


def test_edges_count(model: str, whole: Series, tmp_path: Path) -> None:
    """Other thresholds, another picture; the first stage is shown none; disk is counted."""
    plans = plan_series(model, 384, 192, **{**SHOWN, "edge_share": 1.0})
    assert [plan.recipe.structure.controls for plan in plans] == ["none", "edges", "edges"]
    assert not whole.stores[0].has_array(EDGES)
    stores = (*whole.stores[:2], begin(tmp_path, model, plans).stores[2])
    Series(model=model, plans=plans, stores=stores).bring_edges(2)
    arrays = [store.open_array(EDGES) for store in (stores[2], whole.stores[2])]
    assert np.not_equal(*(array.read(array.grid.canvas) for array in arrays)).any()
    without = plan_series(model, 384, 192, **{**SHOWN, "structure": "image"})
    assert price(plans[2]).disk_peak - price(without[2]).disk_peak == np.prod(picture(whole, 1).shape[1:])


def test_left_open_a_stage_shows_all_that_the_model_attaches(model: str) -> None:
    recipe = {**SHOWN, "structure": None}
    plans = plan_series(model, 256, 256, **{name: value for name, value in recipe.items() if value is not None})
    assert [plan.recipe.structure.controls for plan in plans] == ["none", "both"]
    assert plans[0].stage.decodes


def test_edges_of_regions_are_those_of_the_whole_picture(whole: Series) -> None:
    """Of two regions; enlarged as torch enlarges them, and the same bytes in any box."""
    plan = whole.plans[2]
    read, canvas = read_edges(whole.stores[2], plan), plan.regions.canvas.scaled(plan.geometry.factor)
    shown, expected = read(canvas), shown_edges(whole, 3, 0.3)[:1].numpy()
    assert np.abs(shown - expected).max() < 1e-5
    assert shown.min() < 0 < 0.1 < shown.mean() < 1 < shown.max()
    box = Box(top=37, left=101, height=90, width=60)
    assert np.array_equal(read(box), shown[:, *box.slices])
