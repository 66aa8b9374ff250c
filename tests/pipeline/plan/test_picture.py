"""What of the input survives the first step's noise, against the schedule's own formula."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pipeline.models.card import ModelCard
from pipeline.models.registry import describe_model
from pipeline.plan.binding import bind
from pipeline.plan.facts import ImageFacts
from pipeline.plan.picture import find_lost_picture, surviving_share
from pipeline.plan.plan import Plan
from pipeline.plan.recipe import Recipe
from tests.support.tiny import DEVICE, write_stable_diffusion

FACTS = ImageFacts(height=64, width=64, num_bands=3, dtype="uint8", sha256="0")


@pytest.fixture(scope="module")
def card(tmp_path_factory: pytest.TempPathFactory) -> ModelCard:
    return describe_model(str(write_stable_diffusion(tmp_path_factory.mktemp("sd") / "m")))


def plan(card: ModelCard, **recipe: Any) -> Plan:
    return bind(Recipe.from_flat(**recipe), image=FACTS, scale=4, model=card, device=DEVICE, versions={})


@pytest.mark.parametrize("strength", [1.0, 0.6, 0.3])
@pytest.mark.parametrize("solver", ["ddim", "euler"])
def test_the_share_is_the_schedules(card: ModelCard, solver: str, strength: float) -> None:
    """Betas as Stable Diffusion has them: roots that rise evenly from 0.00085 to 0.012."""
    bound = plan(card, solver=solver, strength=strength, start="image")
    kept = np.cumprod(1 - np.linspace(0.00085**0.5, 0.012**0.5, 1000) ** 2)
    assert surviving_share(bound) == pytest.approx(kept[int(bound.timesteps[0])] ** 0.5, rel=1e-4)


@pytest.mark.parametrize(
    "recipe", [{}, {"start": "noise"}, {"strength": 0.9}, {"activity": "groups"}, {"solver": "euler"}]
)
def test_a_picture_that_nobody_sees(card: ModelCard, recipe: dict[str, Any]) -> None:
    """A plain Stable Diffusion at its defaults begins from next to nothing but noise."""
    (line,) = find_lost_picture(plan(card, **recipe))
    assert "noise alone" in line if recipe.get("start") == "noise" else "% of the picture" in line


@pytest.mark.parametrize("recipe", [{"strength": 0.3}, {"guide": "structure"}, {"skip": 3.0}])
def test_a_picture_that_is_seen(card: ModelCard, recipe: dict[str, Any]) -> None:
    assert find_lost_picture(plan(card, **recipe)) == ()


def test_the_embedded_model_reads_it() -> None:
    assert find_lost_picture(plan(describe_model("embedded"))) == ()
