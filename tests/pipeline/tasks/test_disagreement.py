"""How far tiles disagree, against a loop over all tiles of each place, and through the whole engine."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from actors.artifacts.layout import DISAGREEMENT, OUT, compared_name
from actors.schedule.task import Kind
from pipeline.geometry.blend import tile_weight
from pipeline.geometry.tiles import Tile, plan_tiles
from pipeline.plan.facts import DenoiseSettings
from pipeline.sampling.solver import build_solver
from pipeline.tasks.combine import tile_counts, tiles_at
from pipeline.tasks.contribution import Contribution
from pipeline.tasks.denoise import Denoiser, denoise_region, reach
from pipeline.tasks.disagreement import deviation, is_asked, join_moments, moments_of, no_moments, of_clean
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
        found = denoise_region(settings, owned, seen, z, functools.partial(answer, iter(ours)), compared=True)
        made += [found[destination] for destination in sorted(found)]
        for tile, values in zip(owned, ours, strict=True):
            ys, xs = tile.box.slices
            total[ys, xs] += weight
            mean[:, ys, xs] += weight * values
            square[:, ys, xs] += weight * values.astype(np.float64) ** 2
            counts[ys, xs] += 1
    variance = (square / total - (mean / total) ** 2).mean(0)
    expected = np.where(counts > 1, np.sqrt(np.maximum(variance, 0)), np.nan)[None, *box.slices]
    np.testing.assert_array_equal(tile_counts(plan, 2, box), counts[box.slices])
    np.testing.assert_allclose(deviation(made, tile_counts(plan, 2, box), box), expected, rtol=1e-4, atol=1e-6)


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
        lambda _tiles, z: torch.full_like(z, next(answers)), compared=True,
    ).values()  # fmt: skip
    counts = np.array([[1] * 4 + [2] * 4 + [1] * 4] * 8)
    spread = deviation([found], counts, canvas)[0]
    assert np.isnan(spread[:, :4]).all()
    assert np.isnan(spread[:, 8:]).all()
    np.testing.assert_allclose(spread[:, 4:8], 1.5, rtol=1e-6)


def test_tiles_that_agree_leave_nothing() -> None:
    """Whatever they agree on, and however they are weighted: not a rounding of it."""
    drawn = np.random.default_rng(1)
    agreed = (1e3 * drawn.standard_normal((3, 4, 4))).astype(np.float32)
    box, parts = Box(top=0, left=0, height=4, width=4), []
    for _ in range(3):
        moments = no_moments(3, box.shape)
        for _ in range(2):
            join_moments(moments, moments_of(agreed, drawn.random((4, 4), np.float32)))
        parts.append(Contribution(box=box, total=agreed, moments=moments))
    np.testing.assert_array_equal(deviation(parts, np.full((4, 4), 6), box), 0)


def test_a_little_beside_much_is_found() -> None:
    """Two tiles of weights 1 and 3 that lie 0.25 apart at 4096: sqrt(3) / 4 of that."""
    moments = no_moments(1, (1, 1))
    for value, weight in ((4096.0, 1.0), (4096.25, 3.0)):
        join_moments(moments, moments_of(np.full((1, 1, 1), value, np.float32), np.full((1, 1), weight, np.float32)))
    box = Box(top=0, left=0, height=1, width=1)
    part = Contribution(box=box, total=np.zeros((1, 1, 1), np.float32), moments=moments)
    found = deviation([part], np.full((1, 1), 2), box)
    np.testing.assert_allclose(found, 0.25 * np.sqrt(3) / 4, rtol=1e-6)


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
    assert np.nanmax(found) == 0, "this model sees a place alone, so all tiles agree"
    told = {
        record.region: record.extra[DISAGREEMENT] for record in stores[0].journal.replay() if record.kind == Kind.DECODE
    }
    assert told == {region: checksum(array.read_region(region)) for region in range(case.plan.regions.num_regions)}
    assert not stores[0].open_array(compared_name(case.plan.num_steps)).regions()


def test_a_run_of_tiles_that_lie_apart(case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each tile adds a number of its own at the last step: their weighted deviation, by a loop over tiles."""
    alone, last = Denoiser._predict_batch, case.plan.num_steps - 1

    def own(tile: Tile) -> float:
        return (tile.box.top * 7 + tile.box.left * 3) % 11 / 100

    def shifted(self: Denoiser, step: int, tiles: list[Tile], latents: torch.Tensor, *others: Any) -> torch.Tensor:
        added = torch.tensor([own(tile) for tile in tiles]) if step == last else torch.zeros(len(tiles))
        return alone(self, step, tiles, latents, *others) + added[:, None, None, None]

    monkeypatch.setattr(Denoiser, "_predict_batch", shifted)
    store = case.begin(str(tmp_path / "run"))
    sit(case, store)
    plan, canvas = case.plan, case.plan.regions.canvas
    weight = tile_weight(plan.recipe.tiles.blend, 16, 16).astype(np.float64)
    sums = np.zeros((3, *canvas.shape))
    for tile in plan.tiles.owned_by(canvas):
        sums[:, *tile.box.slices] += weight * np.array([1, own(tile), own(tile) ** 2])[:, None, None]
    total, mean, square = sums
    expected = np.sqrt(np.maximum(square / total - (mean / total) ** 2, 0)) * of_clean(plan.solver(), last)
    expected[tile_counts(plan, last, canvas) < 2] = np.nan
    assert np.nanmax(expected) > 1e-3
    # what is added is rounded as the prediction is that it is added to
    np.testing.assert_allclose(store.open_array(DISAGREEMENT).read(canvas)[0], expected, rtol=1e-3, atol=1e-6)
