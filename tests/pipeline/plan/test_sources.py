"""Each source of difficulty has numbers of its own, and a relative map reaches 1 whatever its unit is."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import torch

from pipeline.models.card import AttentionCard
from pipeline.models.families import analytic
from pipeline.plan import presets
from pipeline.plan.binding import Given, bind
from pipeline.plan.facts import ImageFacts
from pipeline.plan.plan import Plan
from pipeline.plan.presets import parse_recipe
from pipeline.plan.recipe import Recipe
from pipeline.plan.sources import NO_DIFFICULTY, NUMBERS, PAPER_BOUNDS, PAPER_STEPS, is_relative, source_defaults
from pipeline.sampling.settings import SOURCES
from pipeline.tasks.prepare import Preparer
from storage.box import Box
from tests.support.tiny import DEVICE

OPEN = ("difficulty.cell", "difficulty.power", "difficulty.lower_bound", "difficulty.group_bounds")
IMAGE = ImageFacts(height=48, width=40, num_bands=3, dtype="uint8", sha256="0")
BESIDE = {
    "attention": Given(attention=AttentionCard(side=16, patch=4, fingerprint="0")),
    "file": Given(difficulty_map=IMAGE),
}


def plan_of(**recipe: Any) -> Plan:
    return bind(
        Recipe.from_flat(**{"region": 16, "window": 8, "overlap": 0, "steps": 2, **recipe}),
        image=IMAGE,
        scale=analytic.GEOMETRY.factor,
        model=analytic.CARD,
        device=DEVICE,
        versions={},
        given=BESIDE.get(recipe["difficulty"], Given()),
    )


def preparer(plan: Plan, values: np.ndarray) -> Preparer:
    """Of a picture whose attention is ``values`` [y, x]."""

    @contextmanager
    def lend() -> Iterator[Any]:
        yield analytic.AnalyticBackbone()

    def read(window: Box) -> torch.Tensor:
        return torch.zeros(3, *window.shape)

    return Preparer(plan, read, lend, None, {"attention": lambda window: values[window.slices]})  # type: ignore[arg-type]


def difficulty(plan: Plan, values: np.ndarray) -> np.ndarray:
    """The whole map, region by region, as the tasks make it."""
    makes, regions = preparer(plan, values), plan.regions
    boxes = [regions.box(index) for index in range(regions.num_regions)]
    peak = np.array([makes.peak(box) for box in boxes]).max(keepdims=True)
    whole = np.empty(regions.canvas.shape, dtype=np.float32)
    for box in boxes:
        found = makes.prepare(box, {"peak": peak})[1]
        assert found is not None
        whole[box.slices] = found[0]
    return whole


def test_every_source_has_numbers_and_no_preset_has_any() -> None:
    """A preset's number would be one for all sources."""
    assert set(NUMBERS) == set(SOURCES) - {"none"}
    assert not any(field in preset.settings for preset in presets.PRESETS.values() for field in OPEN)
    assert all(Recipe().value(field) is None for field in OPEN)


@pytest.mark.parametrize("source", sorted(set(NUMBERS) - {"confidence"}))
@pytest.mark.parametrize("activity", ["groups", "mask"])
def test_what_is_left_open_is_the_sources(activity: str, source: str) -> None:
    steps = {"steps": 4} if activity == "groups" else {}
    plan = plan_of(activity=activity, difficulty=source, **steps)
    expected = source_defaults(Recipe.from_flat(activity=activity, difficulty=source, region=16), source)
    assert {field: plan.recipe.value(field) for field in OPEN} == expected
    assert plan.recipe.tiles.region % expected["difficulty.cell"] == 0


def test_what_is_said_counts() -> None:
    plan = plan_of(activity="mask", difficulty="gradient", lower_bound=0.4, difficulty_cell=8)
    found = [plan.recipe.value(name) for name in ("lower_bound", "difficulty.cell", "difficulty.power")]
    assert found == [0.4, 8, 3.0]


def test_the_papers_bounds_are_of_confidence_alone() -> None:
    recipe = parse_recipe({"preset": "patchscaler"}, where="test")
    assert source_defaults(recipe, "confidence")["difficulty.group_bounds"] == PAPER_BOUNDS == (0.95, 0.75)
    for source in set(NUMBERS) - {"confidence"}:
        assert source_defaults(recipe, source)["difficulty.group_bounds"] == NUMBERS[source].bounds


def test_what_a_user_says_is_never_stretched() -> None:
    for activity in ("groups", "mask"):
        assert not is_relative(Recipe.from_flat(activity=activity, difficulty="file"))
        assert is_relative(Recipe.from_flat(activity=activity, difficulty="attention"))


@pytest.mark.parametrize("unit", [1e-6, 0.3, 40.0])
@pytest.mark.parametrize("activity", ["mask", "groups"])
def test_a_relative_map_reaches_one_however_it_is_split_and_in_any_unit(activity: str, unit: float) -> None:
    """The peak is the whole picture's: regions of 8, of 16 and one for all give the same map."""
    values = (np.random.default_rng(3).random((48, 40)) ** 8 * unit).astype(np.float32)
    maps = []
    for region in (8, 16, 64):
        plan = plan_of(region=region, activity=activity, difficulty="attention", difficulty_cell=4, steps=4)
        assert plan.is_relative
        maps.append(difficulty(plan, values))
    assert maps[0].max() == 1
    assert 0 <= maps[0].min() < 0.5
    np.testing.assert_array_equal(maps[0], maps[1])
    np.testing.assert_array_equal(maps[0], maps[2])


def test_a_picture_without_difficulty_has_none() -> None:
    plan = plan_of(activity="mask", difficulty="attention")
    assert not difficulty(plan, np.zeros((48, 40), np.float32)).any()


@pytest.mark.parametrize(
    ("source", "activity", "cell", "power", "bounds"),
    [
        ("confidence", "mask", 32, 3.0, (0.35, 0.15)),
        ("confidence", "groups", 1, 1.0, (0.35, 0.15)),
        ("gradient", "mask", 32, 3.0, (0.35, 0.15)),
        ("gradient", "groups", 1, 1.0, (0.35, 0.15)),
        ("attention", "mask", 1, 1.0, (0.6, 0.3)),
        ("attention", "groups", 32, 1.0, (0.6, 0.3)),
        ("file", "mask", 1, 1.0, (2 / 3, 1 / 3)),
        ("file", "groups", 1, 1.0, (2 / 3, 1 / 3)),
    ],
)
def test_numbers_by_hand(source: str, activity: str, cell: int, power: float, bounds: tuple[float, float]) -> None:
    for region in (256, 48):
        recipe = Recipe.from_flat(activity=activity, difficulty=source, region=region)
        assert source_defaults(recipe, source) == {
            "difficulty.cell": math.gcd(cell, region),
            "difficulty.power": power,
            "difficulty.lower_bound": 0.1,
            "difficulty.group_bounds": bounds,
        }
    is_own = {"confidence": activity == "mask", "gradient": activity == "mask", "attention": True, "file": False}
    assert is_relative(recipe) == is_own[source]


def test_numbers_where_nothing_is_read() -> None:
    assert NO_DIFFICULTY == {
        "difficulty.cell": 1,
        "difficulty.power": 1.0,
        "difficulty.lower_bound": 0.1,
        "difficulty.group_bounds": (0.35, 0.15),
    }
    assert PAPER_STEPS == 20
    assert not is_relative(Recipe())
