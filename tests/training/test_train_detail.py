"""The detail network's training: its errors in closed form, what each teaches, and that a stopped run goes on."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest
import torch

from pipeline.models.embedded.detail import high_frequencies
from tests.training.test_teacher import Network, write
from tests.training.toy import COMMON


def test_the_errors_of_a_picture_that_is_one_colour_off(scripts: dict[str, ModuleType]) -> None:
    """Another colour is no detail: it is told by the others."""
    true = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    nothing = torch.tensor(0.0)
    errors = scripts["train_detail"].errors_of(true + 0.1, true - 0.2, true, true, (nothing, nothing))
    assert float(errors.detail) == pytest.approx(0.0, abs=1e-6)
    assert float(errors.truth) == pytest.approx(0.2)
    assert float(errors.colour) == pytest.approx(0.1)
    assert float(errors.loss) == pytest.approx(0.3 * 0.2 + 0.05 * 0.1)


def test_the_error_of_detail_is_of_the_high_frequencies(scripts: dict[str, ModuleType]) -> None:
    true, apart = torch.zeros(1, 3, 16, 16), torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    judged = torch.tensor(2.0), torch.tensor(4.0)
    errors = scripts["train_detail"].errors_of(apart, true, true, true, judged)
    assert float(errors.detail) == pytest.approx(float(high_frequencies(apart).abs().mean()))
    plain = 0.5 * float(errors.detail) + 0.05 * float(errors.colour)
    unjudged = scripts["train_detail"].errors_of(apart, true, true, true, scripts["train_detail"].UNJUDGED)
    assert float(unjudged.loss) == pytest.approx(plain)
    assert float(errors.loss) == pytest.approx(plain + 0.003 * 2.0 + 0.05 * 4.0)


def test_a_critic_learns_to_tell_true_from_made(scripts: dict[str, ModuleType]) -> None:
    torch.manual_seed(0)
    critic = scripts["critic"].Critic()
    optimizer = torch.optim.Adam(critic.parameters(), 1e-3)
    true, made, restored = torch.rand(2, 3, 24, 24), torch.full((2, 3, 24, 24), 0.5), torch.full((2, 3, 24, 24), 0.5)
    teach = scripts["train_detail"].teach_critic
    first = teach(critic, optimizer, made, true, restored)
    for _ in range(12):
        last = teach(critic, optimizer, made, true, restored)
    assert last < 0.8 * first
    verdict, features = scripts["train_detail"].judge(critic, made, true, restored)
    assert float(verdict.detach()) > 1.0
    assert float(features.detach()) > 0.0
    critic.eval()  # in training its norms move on at every call
    same, alike = scripts["train_detail"].judge(critic, true, true, restored)
    assert float(same.detach()) < float(verdict.detach())
    assert float(alike.detach()) == pytest.approx(0.0, abs=1e-6)


def test_a_stopped_run_ends_as_if_never_stopped(
    scripts: dict[str, ModuleType], trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scripts["train_detail"], "BLOCKS", 1)
    torch.manual_seed(0)
    write(Network(1).requires_grad_(False), tmp_path, 0)
    kinds = {"low": 12, "high": 48, "teacher": 48}
    pixels = {name: torch.randint(0, 255, (4, 3, side, side), dtype=torch.uint8) for name, side in kinds.items()}
    scripts["lessons"].write_lesson(tmp_path / "lessons" / "0.pt", **pixels, words=[["aerial"], ["drawn"], [], []])
    for name, stops in (("once", [None]), ("twice", [2, None])):
        (tmp_path / name).mkdir()
        (tmp_path / name / "restoration.pt").symlink_to(trained / "restoration.pt")
        for stop in stops:
            options = {**COMMON, "side": 8, "stop_after": stop, "teacher": tmp_path}
            scripts["train_detail"].train(tmp_path / "lessons", tmp_path / name, steps=3, **options)
    once, twice = (torch.load(tmp_path / name / "detail.pt", weights_only=True) for name in ("once", "twice"))
    assert once["step"] == twice["step"] == 3
    assert set(once["extra"]["plain"]) == set(once["model"])
    for part in ("model", "critic"):
        assert all(torch.equal(value, twice[part][name]) for name, value in once[part].items())
