"""Batches of dilated samples: what they show, and that every pixel's prediction comes back to it."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from pipeline.geometry.dilation import gather, plan_dilation
from pipeline.geometry.interaction import draw_bijection
from pipeline.imaging.moments import Moments, join
from pipeline.models.families import analytic
from pipeline.plan.plan import Plan
from pipeline.tasks.exchange import (
    SampleBatch,
    measure_blur,
    restoring_from,
    sample_batch,
    share_out,
    window_bijection,
)
from pipeline.tasks.exchange import blur as blur_of
from storage.box import Box, RegionGrid
from tests.support.tiny import small_plan

MODEL = dataclasses.replace(analytic.CARD, geometry=dataclasses.replace(analytic.GEOMETRY, window=16))


def dilated_plan(**recipe: object) -> Plan:
    settings = {"dilated": 1.0, "window": 16, "overlap": 8, "region": 24, "batch": 2, **recipe}
    return small_plan(height=91, width=109, model=MODEL, **settings)  # type: ignore[arg-type]


def values_of(plan: Plan) -> np.ndarray:
    shape = plan.geometry.channels, *plan.regions.canvas.shape
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


@pytest.mark.parametrize("interaction", [False, True])
@pytest.mark.parametrize("dilation_window", [None, 32])
def test_pixels_go_and_come_back(interaction: bool, dilation_window: int | None) -> None:
    """A model that answers with what it is shown gives the canvas back, weighted; each batch its own pixels."""
    plan = dilated_plan(interaction=interaction, dilation_window=dilation_window)
    dilation, values = plan.dilation, values_of(plan)
    assert dilation is not None
    assert (dilation.num_windows > 1) == (dilation_window is not None)
    total = np.zeros_like(values)
    counts = np.zeros(values.shape[1:], dtype=int)
    for number, (window, _, _) in enumerate(dilation.batches(plan.denoise_settings.batch)):
        batch = sample_batch(plan, number, window_bijection(plan, 1, window))
        shown = batch.pick(gather(dilation, values[:, *batch.box.slices]))
        for one in share_out(batch, shown, plan.regions):
            assert any(plan.regions.box(r).contains(one.box) for r in range(plan.regions.num_regions))
            total[:, *one.box.slices] += one.dense()
            counts[one.box.slices] += one.dense()[0] != 0
    weights = dilation.weight_sum(plan.regions.canvas, plan.regions.canvas)
    np.testing.assert_allclose(total / weights, values, atol=1e-5)
    assert counts.min() == 1
    assert (counts.max() == 1) == (dilation_window is None)


def test_samples_exchange_pixels_place_by_place() -> None:
    plan = dilated_plan(interaction=True)
    dilation, values = plan.dilation, values_of(plan)
    assert dilation is not None
    bijection, samples = window_bijection(plan, 1, 0), gather(dilation, values)
    assert bijection is not None
    batch = sample_batch(plan, 1, bijection)
    shown = batch.pick(samples)
    for row, number in enumerate(batch.numbers):
        for y, x in ((0, 0), (3, 7)):
            np.testing.assert_array_equal(shown[row, :, y, x], samples[bijection[number, y, x], :, y, x])


def test_blurred_latents_have_the_canvas_mean_and_deviation() -> None:
    plan = dilated_plan()
    values, regions = values_of(plan) * 3 + 2, plan.regions

    def read(box: Box) -> np.ndarray:
        return values[:, *box.slices]

    found = join(measure_blur(plan, 1, read, regions.box(r)) for r in range(regions.num_regions))
    blurred = blur_of(plan, 1, read, regions.canvas)
    restored = restoring_from(found).apply(blurred)
    np.testing.assert_allclose(found.mean, [values.mean(dtype=np.float64), blurred.mean(dtype=np.float64)], rtol=1e-9)
    assert abs(blurred.std(dtype=np.float64) - values.std(dtype=np.float64)) > 0.1
    np.testing.assert_allclose(restored.mean(dtype=np.float64), values.mean(dtype=np.float64), rtol=1e-5)
    np.testing.assert_allclose(restored.std(dtype=np.float64), values.std(dtype=np.float64), rtol=1e-5)


@pytest.mark.parametrize("zeros", [True, False])
@pytest.mark.parametrize("shape", [(5, 13), (13, 5)])
def test_the_padding_of_samples_goes_nowhere(zeros: bool, shape: tuple[int, int]) -> None:
    """A window that its samples do not divide, longer along one axis: every pixel gets its own prediction, once."""
    dilation = plan_dilation(*shape, native=6, multiple=4, side=None, zeros=zeros)
    assert (dilation.factor, dilation.num_windows) == (3, 1)
    assert np.prod(dilation.sample_shape) * 9 > np.prod(shape)
    values = np.random.default_rng(0).normal(size=(2, *shape)).astype(np.float32)
    regions, found = RegionGrid(height=shape[0], width=shape[1], side=4), np.zeros_like(values)
    said = np.zeros(shape, dtype=int)
    for first in (0, 4, 8):
        numbers = [*range(first, min(first + 4, 9))]
        filled = tuple(numbers + numbers[-1:] * (4 - len(numbers)))
        batch = SampleBatch(
            dilation=dilation, box=dilation.window(0), numbers=filled, count=len(numbers), bijection=None
        )
        made = share_out(batch, batch.pick(gather(dilation, values)), regions)
        assert [one.box for one in made] == [regions.box(region) for region in range(regions.num_regions)]
        for one in made:
            found[:, *one.box.slices] += one.dense()
            assert one.where is not None
            bits = np.unpackbits(one.where, count=one.box.area).reshape(one.box.shape)
            said[one.box.slices] += bits
    np.testing.assert_array_equal(said, np.ones(shape, dtype=int))
    np.testing.assert_array_equal(found, values)


def test_batches_are_numbered_within_their_windows() -> None:
    plan = dilated_plan(dilation_window=32, batch=3)
    dilation = plan.dilation
    assert dilation is not None
    per_window = -(-dilation.num_samples // 3)
    batch = sample_batch(plan, per_window + 1, None)
    assert batch.box == dilation.window(1)
    assert (batch.numbers, batch.count) == ((3, 3, 3), 1) if dilation.num_samples == 4 else ((3, 4, 5), 3)


def test_a_bijection_is_keyed_by_all_that_it_hangs_on() -> None:
    plan = dataclasses.replace(dilated_plan(interaction=True, dilation_window=32, seed=9))
    dilation = plan.dilation
    assert dilation is not None
    for step, window in ((0, 1), (1, 0), (2, 3)):
        expected = draw_bijection(
            dilation.num_samples, *dilation.sample_shape, seed=9, stage=0, step=step, window=window
        )
        np.testing.assert_array_equal(window_bijection(plan, step, window), expected)
    assert window_bijection(dilated_plan(), 0, 0) is None


def test_what_gives_the_mean_and_deviation_back() -> None:
    """Unbiased deviations, the canvas's first and the blur's second."""
    whole = Moments(count=np.array([5.0, 5.0]), mean=np.array([3.0, 2.0]), m2=np.array([36.0, 4.0]))
    found = restoring_from(whole)
    assert (found.mean, found.deviation, found.mean_to, found.deviation_to) == (2, 1, 3, 3)
