"""A worker is built of the plan's own model, or not at all."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch

from actors.work import building
from actors.work.building import Workshop, build_worker, check_model
from pipeline.models.families import analytic
from tests.support.runs import make_case
from tests.support.tiny import small_plan


def test_another_models_weights_are_refused() -> None:
    """By the fingerprint over all its files, whatever it is called."""
    plan = small_plan()
    check_model(analytic.CARD, plan)
    check_model(dataclasses.replace(analytic.CARD, name="a copy"), plan)
    with pytest.raises(ValueError, match=r"model analytic on .* has fingerprint another.*: put the same files"):
        check_model(dataclasses.replace(analytic.CARD, fingerprint="another"), plan)


def test_a_worker_looks_before_it_loads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case = make_case("analytic", height=16, width=16)
    setup = case.setup(case.begin(str(tmp_path / "run")))
    other = dataclasses.replace(analytic.CARD, fingerprint="f" * 64)
    monkeypatch.setattr(building, "describe_model", lambda *_a, **_k: other)
    with pytest.raises(ValueError, match="has fingerprint ffffffffffff, the plan was made with"):
        build_worker(setup)


def test_its_process_has_the_plans_threads_and_repeatable_kernels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    monkeypatch.setattr(building, "make_deterministic", asked.append)
    case = make_case("analytic", height=16, width=16)
    worker = build_worker(case.setup(case.begin(str(tmp_path / "run"))))
    assert asked == [1]
    assert worker.plan == case.plan
    assert torch.get_num_threads() >= 1


def test_a_workshop_loads_a_model_once_for_plans_that_have_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pictures of other sizes and seeds share it; another dtype is another model in memory."""
    loaded: list[str] = []
    load = building.load_backbone

    def watch(card: Any, **given: Any) -> Any:
        loaded.append(given["dtype"])
        return load(card, **given)

    monkeypatch.setattr(building, "load_backbone", watch)
    cases = [
        make_case("analytic", height=16, width=16),
        make_case("analytic", height=30, width=20, seed=3),
        make_case("analytic", height=16, width=16, dtype="bfloat16"),
        make_case("analytic", height=16, width=16),
    ]
    shop = Workshop()
    workers = [shop.build(case.setup(case.begin(str(tmp_path / f"{number}")))) for number, case in enumerate(cases)]
    assert loaded == ["float32", "bfloat16", "float32"]
    assert [worker.plan for worker in workers] == [case.plan for case in cases]
    assert workers[0].replica is workers[1].replica
    assert len({worker.store.url for worker in workers}) == 4


def test_a_workshop_looks_at_a_model_with_another_fingerprint(tmp_path: Path) -> None:
    """One that changed on the disk since it was loaded has another in the plan: it is not the one in memory."""
    case = make_case("analytic", height=16, width=16)
    shop, setup = Workshop(), case.setup(case.begin(str(tmp_path / "run")))
    shop.build(setup)
    other = dataclasses.replace(case.plan, model_fingerprint="f" * 64).to_json()
    with pytest.raises(ValueError, match="the plan was made with ffffffffffff"):
        shop.build(dataclasses.replace(setup, plan=other))
