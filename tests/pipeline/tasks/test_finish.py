"""The result's bands: true to the input's values, its range and its holes, region by region as in one piece."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch

from pipeline.imaging.consistency import agree, repeat, shrunk
from pipeline.imaging.pixels import enlarge
from pipeline.plan.facts import ImageFacts
from pipeline.plan.finishing import finish_halo
from pipeline.plan.plan import Plan
from pipeline.tasks.finish import Finisher
from storage.box import Box
from tests.support.tiny import small_plan

HEIGHT, WIDTH, SCALE = 40, 56, 4


def plan_of(dtype: str, bands: int, *, agrees: bool = True, **facts: Any) -> Plan:
    plan = small_plan(height=HEIGHT, width=WIDTH, region=32, window=24, overlap=8)
    image = ImageFacts(height=HEIGHT, width=WIDTH, num_bands=bands, dtype=dtype, sha256="0", **facts)
    levels = image.levels or (0.0, 255.0)
    recipe = plan.recipe.with_settings({"codec.consistency": agrees, "codec.value_range": levels})
    return dataclasses.replace(plan, image=image, recipe=recipe)


def scene(dtype: str, bands: int, low: float, high: float, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    smooth = np.kron(rng.random((bands, HEIGHT // 8, WIDTH // 8)), np.ones((8, 8)))
    values = low + (high - low) * np.clip(0.8 * smooth + 0.2 * rng.random((bands, HEIGHT, WIDTH)), 0, 1)
    return (np.rint(values) if np.dtype(dtype).kind in "iu" else values).astype(dtype)


def restored(plan: Plan, seed: int = 1) -> torch.Tensor:
    """What a model might make of it: RGB ``[3, H, W]`` in [0, 1], which is not the input."""
    shape = (3, HEIGHT * SCALE, WIDTH * SCALE)
    return torch.from_numpy(np.random.default_rng(seed).random(shape, dtype=np.float32))


def finished(plan: Plan, pixels: np.ndarray, valid: np.ndarray | None = None) -> np.ndarray:
    """All regions, one by one."""
    finisher = Finisher(
        plan=plan,
        pixels=lambda box: pixels[:, *box.slices],
        valid=lambda box: None if valid is None else valid[:, *box.slices],
    )
    rgb, grid = restored(plan), plan.out_regions
    result = np.zeros((len(pixels), HEIGHT * SCALE, WIDTH * SCALE), pixels.dtype)
    for region in range(grid.num_regions):
        box = grid.box(region)
        have = box.grown(finish_halo(plan), grid.canvas)
        result[:, *box.slices] = finisher.finish(rgb[:, *have.slices], have, box)
    return result


@pytest.mark.parametrize(
    ("dtype", "low", "high"),
    [("uint16", 200, 3200), ("int16", -500, 9000), ("uint8", 10, 240), ("float32", 0.0, 0.4), ("int32", -1e6, 1e6)],
)
def test_the_result_shrunk_again_is_the_input_in_every_band(dtype: str, low: float, high: float) -> None:
    pixels = scene(dtype, 5, low, high)
    made = finished(plan_of(dtype, 5, shown=(2, 1, 0), levels=(low, high)), pixels)
    assert made.dtype == dtype
    off = shrunk(made.astype(np.float64), SCALE) - pixels
    assert np.abs(off).max() <= (1e-6 * high if dtype == "float32" else 1e-9)
    # and it is no enlargement of squares: the model's detail is there
    assert np.abs(made - repeat(pixels, SCALE).astype(np.float64))[:3].mean() > 0.05 * (high - low)


def test_regions_are_those_of_one_piece() -> None:
    pixels, plan = scene("uint16", 4, 200, 3200), plan_of("uint16", 4, shown=(0, 1, 2), levels=(200.0, 3200.0))
    finisher = Finisher(plan=plan, pixels=lambda box: pixels[:, *box.slices], valid=lambda _box: None)
    canvas = plan.out_regions.canvas
    whole = finisher.finish(restored(plan), canvas, canvas)
    # not one bit more than rounding apart: sums over other windows round otherwise
    assert np.abs(finished(plan, pixels).astype(int) - whole.astype(int)).max() <= 1
    assert (finished(plan, pixels) != whole).mean() < 1e-3


def test_values_beyond_the_range_come_from_the_input() -> None:
    pixels = scene("uint16", 1, 1000, 2000)
    pixels[0, 20:24, 20:24] = 60000
    plan = plan_of("uint16", 1, agrees=False, levels=(900.0, 2100.0))
    made = finished(plan, pixels).astype(float)
    beyond = pixels.astype(float) - np.clip(pixels, 900, 2100)
    canvas = Box(top=0, left=0, height=HEIGHT, width=WIDTH)
    bright = enlarge(torch.from_numpy(beyond), canvas, canvas.scaled(SCALE), SCALE).numpy()
    shown = restored(plan).double().mean(dim=0, keepdim=True).numpy() * 1200 + 900
    np.testing.assert_array_equal(made, np.clip(np.rint(shown + bright), 0, 65535))
    assert made[0, 84:92, 84:92].min() > 55000


def test_levels_are_finer_than_eight_bits() -> None:
    pixels = scene("uint16", 3, 200, 3200)
    made = finished(plan_of("uint16", 3, agrees=False, levels=(200.0, 3200.0)), pixels)
    assert all(len(np.unique(band)) > 2500 for band in made)


@pytest.mark.parametrize(("hole", "dtype"), [("0.0", "uint16"), ("65535.0", "uint16"), ("-9999.0", "int16")])
@pytest.mark.parametrize("agrees", [False, True])
def test_holes_are_the_inputs_and_no_data_looks_like_one(hole: str, dtype: str, agrees: bool) -> None:
    pixels = scene(dtype, 3, 0, 300) if hole == "0.0" else scene(dtype, 3, 200, 3200)
    valid = np.random.default_rng(3).random((3, HEIGHT, WIDTH)) < 0.8
    valid[:, :, 30:] = False
    plan = plan_of(dtype, 3, agrees=agrees, levels=(0.0, 300.0), holes="bands", hole=hole)
    made = finished(plan, pixels, valid)
    np.testing.assert_array_equal(made == float(hole), repeat(~valid, SCALE))


def test_holes_of_floats_are_nan() -> None:
    pixels, valid = scene("float32", 2, 0, 1), np.ones((2, HEIGHT, WIDTH), bool)
    valid[1, 5:9, 5:9] = False
    plan = plan_of("float32", 2, shown=(0,), levels=(0.0, 1.0), holes="bands", hole="nan")
    made = finished(plan, pixels, valid)
    np.testing.assert_array_equal(np.isnan(made), repeat(~valid, SCALE))


def test_a_value_that_stands_for_none_is_kept_off_where_all_is_data() -> None:
    pixels = np.ones((1, HEIGHT, WIDTH), np.uint8)
    made = finished(plan_of("uint8", 1, agrees=True, hole="0.0"), pixels)
    assert made.min() == 1
    inner = finished(plan_of("int16", 1, agrees=False, hole="7.0", levels=(6.0, 8.0)), pixels.astype(np.int16) * 7)
    assert 7 not in inner


def test_an_index_of_two_bands_is_the_inputs() -> None:
    """NDVI of the result, of the squares' means, is that of the input, though no model has seen the fourth band."""
    pixels = scene("uint16", 4, 300, 4000)
    made = finished(plan_of("uint16", 4, shown=(0, 1, 2), levels=(300.0, 4000.0)), pixels)
    red, nir = (shrunk(made[[band]].astype(np.float64), SCALE)[0] for band in (0, 3))
    want = (pixels[3].astype(float) - pixels[0]) / (pixels[3].astype(float) + pixels[0])
    np.testing.assert_allclose((nir - red) / (nir + red), want, atol=1e-12)


def test_shown_bands_go_back_where_they_were() -> None:
    """Blue, green, red, of which the model sees red first."""
    pixels = scene("uint8", 3, 0, 255)
    made = finished(plan_of("uint8", 3, agrees=False, shown=(2, 1, 0)), pixels)
    expected = np.rint(restored(plan_of("uint8", 3)).double().numpy() * 255)
    np.testing.assert_array_equal(made, expected[::-1])


def test_a_region_without_data_is_what_its_holes_were_filled_with() -> None:
    pixels, valid = scene("uint16", 2, 5, 9), np.zeros((1, HEIGHT, WIDTH), bool)
    box = Box(top=13, left=30, height=20, width=11)
    for hole, expected in ((None, repeat(pixels, SCALE)[:, *box.slices]), ("3.0", np.full((2, 20, 11), 3, np.uint16))):
        plan = plan_of("uint16", 2, shown=(0,), holes="pixels", hole=hole)
        finisher = Finisher(
            plan=plan, pixels=lambda part: pixels[:, *part.slices], valid=lambda part: valid[:, *part.slices]
        )
        np.testing.assert_array_equal(finisher.empty(box), expected)


@pytest.mark.parametrize("scale", [1, 3])
def test_other_scales(scale: int) -> None:
    """Of regions that do not begin at an input pixel's edge, and of none that are enlarged."""
    plan = small_plan(height=30, width=31, scale=scale, region=16, window=16, overlap=4)
    image = ImageFacts(
        height=30, width=31, num_bands=4, dtype="uint16", sha256="0", shown=(0, 1, 2), levels=(0.0, 100.0)
    )
    recipe = plan.recipe.with_settings({"codec.consistency": True, "codec.value_range": (0.0, 100.0)})
    plan = dataclasses.replace(plan, image=image, recipe=recipe)
    pixels = np.random.default_rng(0).integers(0, 100, (4, 30, 31)).astype(np.uint16)
    finisher = Finisher(plan=plan, pixels=lambda part: pixels[:, *part.slices], valid=lambda _part: None)
    rgb = torch.from_numpy(np.random.default_rng(1).random((3, 30 * scale, 31 * scale), dtype=np.float32))
    grid = plan.out_regions
    result = np.zeros((4, 30 * scale, 31 * scale), np.uint16)
    for region in range(grid.num_regions):
        box = grid.box(region)
        have = box.grown(finish_halo(plan), grid.canvas)
        result[:, *box.slices] = finisher.finish(rgb[:, *have.slices], have, box)
    if scale == 1:
        np.testing.assert_array_equal(result[3], pixels[3])
    else:
        off = np.abs(shrunk(result.astype(np.float64), scale) - pixels)
        # a square that two regions share is rounded by each for itself
        assert off.max() < 1
        assert off.mean() < 0.05


def test_a_quarter_of_the_model_s_colours_stays() -> None:
    """Two restored pictures of one brightness: what is left of their difference, made to agree with nothing."""
    plan, pixels = plan_of("float32", 3, levels=(0.0, 1.0)), scene("float32", 3, 0.1, 0.9)
    first = restored(plan)
    colours = torch.from_numpy(np.random.default_rng(5).normal(0, 0.1, first.shape).astype(np.float32))
    second = first + colours - colours.mean(0, keepdim=True)
    box = plan.out_regions.canvas
    finisher = Finisher(plan=plan, pixels=lambda low: pixels[:, *low.slices], valid=lambda _: None)
    found = [finisher.finish(rgb, box, box).astype(np.float64) for rgb in (first, second)]
    apart = (second - first).double().numpy()
    expected = 0.25 * agree(apart, np.zeros(pixels.shape), None, SCALE)
    np.testing.assert_allclose(found[1] - found[0], expected, rtol=0, atol=1e-5)
    assert np.abs(expected).max() > 0.05
