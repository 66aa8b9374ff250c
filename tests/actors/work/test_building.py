"""A worker is built of the plan's own model, or not at all."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch

from actors.work import building
from actors.work.building import build_worker, check_model
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
