"""How far tiles disagree, against a loop over all tiles of each place, and through the whole engine."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from actors.artifacts.layout import DISAGREEMENT, OUT, compared_name
from actors.schedule.task import Kind
from pipeline.geometry.blend import tile_weight
from pipeline.geometry.tiles import Tile, plan_tiles
from pipeline.plan.facts import DenoiseSettings
from pipeline.sampling.solver import build_solver
from pipeline.tasks.combine import average, tile_counts, tile_weights, tiles_at
from pipeline.tasks.contribution import Contribution
from pipeline.tasks.denoise import denoise_region, reach
from pipeline.tasks.disagreement import deviation, is_asked, mean_square, of_clean
from storage.arrays import checksum
from storage.box import Box
from tests.support.runs import Case, make_case, sit
from tests.support.tiny import small_plan, tiny_scheduler

PLAN = small_plan(height=40, width=60, region=24, window=16, overlap=6, **{"tiles.disagreement": True})
CANVAS = PLAN.regions.canvas
PREDICTED = np.random.default_rng(0).standard_normal((99, 3, 16, 16)).astype(np.float32)


def answer(drawn: Iterator[np.ndarray], _tiles: list[Tile], _latents: torch.Tensor) -> torch.Tensor:
    return torch.from_numpy(next(drawn)[None])


@pytest.mark.parametrize("jitter", ["none", "step"])
@pytest.mark.parametrize("box", [CANVAS, Box(top=13, left=22, height=9, width=17)])
def test_by_a_loop_over_all_tiles_of_each_place(box: Box, jitter: str) -> None:
    """Weighted second moments, a channel at a time."""
    plan = dataclasses.replace(PLAN, recipe=PLAN.recipe.with_settings({"tiles.jitter": jitter}))
    settings = dataclasses.replace(plan.denoise_settings, batch=1)
    weight = tile_weight(settings.blend, 16, 16).astype(np.float64)
    made, total, mean = list[Contribution](), np.zeros(CANVAS.shape), np.zeros((3, *CANVAS.shape))
    square, drawn = np.zeros((3, *CANVAS.shape)), iter(PREDICTED)
    counts = np.zeros(CANVAS.shape, int)
    for region in range(plan.regions.num_regions):
        seen, owned = reach(plan.tiles, plan.regions, region, plan.jitter), tiles_at(plan, 2, region)
        if seen is None:
            continue
        ours = [next(drawn) for _ in owned]
        z = np.zeros((3, *seen.shape), np.float32)
        found = denoise_region(settings, owned, seen, z, functools.partial(answer, iter(ours)), squares=True)
        made += [found[destination] for destination in sorted(found)]
        for tile, values in zip(owned, ours, strict=True):
            ys, xs = tile.box.slices
            total[ys, xs] += weight
            mean[:, ys, xs] += weight * values
            square[:, ys, xs] += weight * values.astype(np.float64) ** 2
            counts[ys, xs] += 1
    variance = (square / total - (mean / total) ** 2).mean(0)
    expected = np.where(counts > 1, np.sqrt(np.maximum(variance, 0)), np.nan)[None, *box.slices]
    weights = tile_weights(plan, 2, box)
    np.testing.assert_array_equal(tile_counts(plan, 2, box), counts[box.slices])
    averaged = average(made, box, weights, 3)
    np.testing.assert_allclose(
        deviation(made, averaged, weights, tile_counts(plan, 2, box), box), expected, rtol=1e-3, atol=1e-3
    )


def test_of_two_tiles_that_predict_a_and_b() -> None:
    """sqrt(u v) |a - b| of shares u and v."""
    tiles = plan_tiles(8, 12, window=8, stride=4)
    settings = DenoiseSettings(
        tiles=tiles, regions=dataclasses.replace(PLAN.regions, height=8, width=12, side=12), batch=1, guidance=1.0,
        blend="uniform",
    )  # fmt: skip
    canvas, answers = settings.regions.canvas, iter([2.0, 5.0])
    (found,) = denoise_region(
        settings, tiles.owned_by(canvas), canvas, np.zeros((1, 8, 12), np.float32),
        lambda _tiles, z: torch.full_like(z, next(answers)), squares=True,
    ).values()  # fmt: skip
    counts = np.array([[1] * 4 + [2] * 4 + [1] * 4] * 8)
    weights = counts.astype(np.float32)
    spread = deviation([found], average([found], canvas, weights, 1), weights, counts, canvas)[0]
    assert np.isnan(spread[:, :4]).all()
    assert np.isnan(spread[:, 8:]).all()
    np.testing.assert_allclose(spread[:, 4:8], 1.5, rtol=1e-6)


def test_tiles_that_agree_leave_nothing() -> None:
    """And no root of less than nothing."""
    ones = np.full((3, 4, 4), 1e3, np.float32)
    part = Contribution(box=Box(top=0, left=0, height=4, width=4), total=ones * 2, squares=mean_square(ones) * 2)
    counts = np.full((4, 4), 2)
    found = deviation([part], ones * np.float32(1 + 1e-6), counts.astype(np.float32), counts, part.box)
    np.testing.assert_array_equal(found, 0)


@pytest.mark.parametrize("kind", ["epsilon", "v_prediction", "sample"])
def test_the_clean_latents_move_with_a_prediction(kind: str) -> None:
    config = {"_class_name": "DDIMScheduler", **tiny_scheduler(prediction_type=kind).config}
    solver = build_solver("ddim", config, steps=4)
    alpha, sigma = (float(value) for value in solver.level(2))
    assert of_clean(solver, 2) == pytest.approx({"epsilon": sigma / alpha, "v_prediction": sigma, "sample": 1}[kind])


def test_asked_of_the_last_step_alone() -> None:
    assert [is_asked(PLAN, step) for step in range(PLAN.num_steps)] == [False, False, True]
    assert not is_asked(small_plan(), 2)


@pytest.fixture
def case() -> Case:
    return make_case("analytic", height=40, width=60, region=24, window=16, overlap=6, **{"tiles.disagreement": True})


def test_a_run_keeps_it_beside_the_picture_and_no_pixel_changes(case: Case, tmp_path: Path) -> None:
    plain = dataclasses.replace(
        case, plan=dataclasses.replace(case.plan, recipe=case.plan.recipe.with_settings({"tiles.disagreement": False}))
    )
    stores = [one.begin(str(tmp_path / name)) for one, name in ((case, "a"), (plain, "b"))]
    for one, store in zip((case, plain), stores, strict=True):
        sit(one, store)
    first, second = (store.open_array(OUT).read(case.plan.out_regions.canvas) for store in stores)
    np.testing.assert_array_equal(first, second)
    assert not stores[1].has_array(DISAGREEMENT)
    array = stores[0].open_array(DISAGREEMENT)
    counts = tile_counts(case.plan, 2, case.plan.regions.canvas)
    found = array.read(case.plan.regions.canvas)[0]
    np.testing.assert_array_equal(np.isnan(found), counts < 2)
    assert (counts < 2).any()
    assert np.nanmax(found) > 0
    told = {
        record.region: record.extra[DISAGREEMENT] for record in stores[0].journal.replay() if record.kind == Kind.DECODE
    }
    assert told == {region: checksum(array.read_region(region)) for region in range(case.plan.regions.num_regions)}
    assert not stores[0].open_array(compared_name(case.plan.num_steps)).regions()
