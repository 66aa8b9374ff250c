"""Coarse latents and difficulty of boxes, against the whole picture at once."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from pipeline.imaging.canny import canny_edges
from pipeline.imaging.frequency import mix
from pipeline.models.families import analytic
from pipeline.models.families.analytic import AnalyticBackbone
from pipeline.plan.plan import Plan
from pipeline.sampling.difficulty import from_gradient
from pipeline.tasks.prepare import EDGE_HALO, Preparer
from storage.box import Box
from storage.errors import NotFiniteError
from tests.support.geometries import altered
from tests.support.tiny import small_plan

LOW = torch.rand(3, 60, 90, generator=torch.Generator().manual_seed(0)) * 0.5
LOW[:, 20:30, 40:70] += 0.4
MODEL = dataclasses.replace(
    analytic.CARD,
    geometry=altered(analytic.GEOMETRY, codec={"window": 16}, encoder_halo=3, structures=("image", "edges")),
)
"""one input pixel is one latent pixel"""


def plan_of(**recipe: Any) -> Plan:
    return small_plan(height=60, width=90, model=MODEL, **recipe)


def preparer(plan: Plan, **given: Any) -> Preparer:
    @contextlib.contextmanager
    def lend() -> Iterator[Any]:
        yield AnalyticBackbone()

    def read(box: Box) -> torch.Tensor:
        return LOW[:, *box.slices]

    prompter: Any = None
    return Preparer(plan, read, lend, prompter, given.pop("maps", {}), **given)


def enlarged() -> torch.Tensor:
    """[3, 240, 360]: the whole picture."""
    return functional.interpolate(LOW[None], scale_factor=4, mode="bicubic")[0].clamp(0, 1)


BOXES = [Box(top=0, left=0, height=60, width=90), Box(top=13, left=41, height=20, width=37)]


@pytest.mark.parametrize("box", BOXES)
def test_the_coarse_latent_is_the_enlarged_picture_encoded(box: Box) -> None:
    coarse, difficulty = preparer(plan_of()).prepare(box)
    expected = AnalyticBackbone().encode(enlarged()[None])[0].numpy()
    np.testing.assert_allclose(coarse, expected[:, *box.slices], atol=1e-5)
    assert difficulty is None


@pytest.mark.parametrize("box", BOXES)
@pytest.mark.parametrize("lifts", [False, True])
def test_difficulty_is_that_of_the_whole_picture(box: Box, lifts: bool) -> None:
    """Every window of the encoder writes its own part, or the box is seen once where nothing is encoded."""
    plan = plan_of(activity="groups", difficulty="gradient", difficulty_cell=1, difficulty_power=2.0, lift="latent")
    given = {"lifted": lambda part: np.ones((4, *part.shape), np.float32)} if lifts else {}
    coarse, difficulty = preparer(plan, **given).prepare(box)
    assert difficulty is not None
    assert difficulty.shape == (1, *box.shape)
    np.testing.assert_allclose(difficulty[0], from_gradient(LOW)[box.slices] ** 2, rtol=1e-3, atol=1e-6)
    assert (coarse == 1).all() == lifts


def test_a_relative_map_is_in_units_of_its_peak() -> None:
    """The largest becomes 1, whatever single or half precision its unit is in."""
    values = np.random.default_rng(0).random((60, 90)).astype(np.float32) * 3000

    def look(box: Box) -> np.ndarray:
        return values[box.slices]

    plan = plan_of(activity="mask", difficulty="gradient", difficulty_cell=4, difficulty_power=1.5)
    plan = dataclasses.replace(plan, recipe=plan.recipe.with_settings({"difficulty.source": "attention"}))
    assert plan.is_relative
    found, box = preparer(plan, maps={"attention": look}), Box(top=8, left=20, height=16, width=32)
    cells = values[box.slices].reshape(4, 4, 8, 4).mean((1, 3), dtype=np.float64)
    peak = found.peak(box)
    assert peak == pytest.approx(cells.max(), rel=1e-6)
    _, difficulty = found.prepare(box, {"peak": np.array([peak])})
    assert difficulty is not None
    expected = (cells / peak) ** 1.5
    np.testing.assert_allclose(difficulty[0], expected.repeat(4, 0).repeat(4, 1), rtol=1e-5)
    assert difficulty.max() == 1
    _, brighter = found.prepare(box, {"peak": np.array([peak / 2])})
    assert brighter is not None
    np.testing.assert_allclose(brighter[0], np.minimum(1, 2 * cells / peak).repeat(4, 0).repeat(4, 1) ** 1.5, rtol=1e-5)
    values[:] = 0
    _, nothing = found.prepare(box, {"peak": np.array([0.0])})
    assert nothing is not None
    assert not nothing.any(), "a picture without any difficulty has none in any unit"


def test_a_stage_begins_with_the_latent_before_its_pixels_or_both() -> None:
    box, canvas = BOXES[1], BOXES[0]
    before = np.random.default_rng(1).normal(size=(4, 60, 90)).astype(np.float32)

    def lifted(part: Box) -> np.ndarray:
        return before[:, *part.slices]

    encoded = AnalyticBackbone().encode(enlarged()[None])[0].numpy()
    both = mix(lifted, lambda part: encoded[:, *part.slices], canvas, box, cell=8)
    expected = {"latent": before[:, *box.slices], "pixels": encoded[:, *box.slices], "mixed": both}
    for lift, values in expected.items():
        found, _ = preparer(plan_of(lift=lift, low_band=0.125), lifted=lifted).prepare(box)
        np.testing.assert_allclose(found, values, atol=1e-4, err_msg=lift)


@pytest.mark.parametrize(
    "box",
    [
        Box(top=20, left=30, height=16, width=24),
        Box(top=-4, left=50, height=16, width=24),
        Box(top=50, left=80, height=16, width=24),
        Box(top=30, left=-6, height=16, width=24),
    ],
)
def test_structure_of_a_tile_and_zeros_beyond_the_canvas(box: Box) -> None:
    plan = plan_of(structure="both")
    found = preparer(plan).structure(box)
    inside = box.intersection(BOXES[0])
    assert inside is not None
    wide, pixels = inside.grown(EDGE_HALO, BOXES[0]).scaled(4), enlarged()
    edges = canny_edges(pixels[:, *wide.slices])[:, *inside.scaled(4).within(wide)]
    for name, values in (("image", pixels[:, *inside.scaled(4).slices]), ("edges", edges)):
        expected = torch.zeros(len(values), 64, 96)
        expected[:, *inside.scaled(4).within(box.scaled(4))] = values
        torch.testing.assert_close(found[name], expected, rtol=0, atol=2e-5)
    assert EDGE_HALO == 16


def test_edges_of_the_stage_before_are_shown_as_they_are() -> None:
    box = Box(top=50, left=80, height=16, width=24)
    asked: list[Box] = []

    def edges(part: Box) -> np.ndarray:
        asked.append(part)
        return np.full((1, *part.shape), 1.25, np.float32)

    found = preparer(plan_of(structure="edges"), edges=edges).structure(box)
    assert asked == [Box(top=200, left=320, height=40, width=40)]
    assert list(found) == ["edges"]
    assert float(found["edges"].sum()) == 1.25 * 40 * 40
    assert (found["edges"][0, :40, :40] == 1.25).all()


def test_a_map_that_is_no_number_is_refused() -> None:
    plan = plan_of(activity="groups", difficulty="gradient")
    plan = dataclasses.replace(plan, recipe=plan.recipe.with_settings({"difficulty.source": "file"}))
    broken = preparer(plan, maps={"file": lambda box: np.full(box.shape, np.nan, np.float32)})
    with pytest.raises(NotFiniteError, match="the map of difficulty gave NaN"):
        broken.prepare(BOXES[1])
