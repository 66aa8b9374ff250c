"""What is said of a distilled model's steps and guidance, at and beyond the bounds."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from cluster.runs import foresight
from cluster.runs.foresight import foresee
from pipeline.models.files.few_steps import FewSteps
from pipeline.plan.recipe import Recipe

CERTAIN = FewSteps(steps=4, sign="its scheduler", is_certain=True)
BY_NAME = FewSteps(steps=4, sign="the name turbo", is_certain=False)


def said(
    monkeypatch: pytest.MonkeyPatch,
    found: FewSteps | None,
    *,
    steps: int | None = 4,
    guidance: float = 1.0,
    embeds: bool = False,
    lost: tuple[str, ...] = (),
) -> tuple[str, ...]:
    def find(model: str, *, allow_pickle: bool) -> FewSteps | None:
        assert (model, allow_pickle) == ("m", True)
        return found

    monkeypatch.setattr(foresight, "find_few_steps", find)
    monkeypatch.setattr(foresight, "find_lost_picture", lambda plan: lost)
    plan: Any = SimpleNamespace(
        recipe=Recipe.from_flat(steps=steps, guidance=guidance),
        geometry=SimpleNamespace(inputs=SimpleNamespace(embeds_guidance=embeds)),
    )
    return foresee(plan, "m", allow_pickle=True)


def test_a_model_of_many_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    assert said(monkeypatch, None, steps=50, guidance=7.5) == ()


@pytest.mark.parametrize("steps", [1, 4, 16])
@pytest.mark.parametrize("guidance", [0.0, 1.0])
def test_up_to_four_times_its_steps_without_guidance(
    monkeypatch: pytest.MonkeyPatch, steps: int, guidance: float
) -> None:
    assert said(monkeypatch, CERTAIN, steps=steps, guidance=guidance) == ()


@pytest.mark.parametrize(("steps", "guidance"), [(17, 1.0), (4, 1.5), (4, 0.5), (50, 7.5)])
def test_beyond_that(monkeypatch: pytest.MonkeyPatch, steps: int, guidance: float) -> None:
    line = f"the model is of few steps by its scheduler: about 4 steps and guidance 0 suit it, the recipe says {steps}"
    assert said(monkeypatch, CERTAIN, steps=steps, guidance=guidance) == (f"{line} and {guidance:g}",)


def test_one_that_is_known_by_its_name_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    (line,) = said(monkeypatch, BY_NAME)
    assert line.startswith("the model is of few steps by the name turbo: 4 steps and no guidance are its defaults here")
    (line,) = said(monkeypatch, BY_NAME, steps=50)
    assert "the recipe says 50 and 1" in line


def test_where_nothing_is_to_be_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that reads its guidance is run with it; and of a recipe without steps nothing is known."""
    assert said(monkeypatch, CERTAIN, steps=50, guidance=8.0, embeds=True) == ()
    assert said(monkeypatch, CERTAIN, steps=None, guidance=8.0) == ()


def test_a_picture_that_is_lost_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = said(monkeypatch, BY_NAME, lost=("the first state is noise",))
    assert lines[0] == "the first state is noise"
    assert len(lines) == 2
