"""The sharpener's training: its loss in closed form, and that a stopped run goes on."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest
import torch

from tests.training.toy import COMMON


def test_the_loss_is_the_plain_error_and_the_amount_of_detail(scripts: dict[str, ModuleType]) -> None:
    weights = torch.tensor([1.0, 3.0]).view(1, 2, 1, 1)
    target = torch.full((1, 2, 8, 8), 0.5)
    plain, amount = scripts["train_sharpener"].loss_of(-target, target, weights)
    assert float(plain) == pytest.approx(2.0)
    assert float(amount) == pytest.approx(0.0, abs=1e-6), "as much detail, only elsewhere"
    plain, amount = scripts["train_sharpener"].loss_of(torch.zeros_like(target), target, weights)
    assert float(plain) == pytest.approx(1.0)
    assert float(amount) == pytest.approx(1.0, abs=1e-3)


def test_a_stopped_run_ends_as_if_never_stopped(scripts: dict[str, ModuleType], tmp_path: Path) -> None:
    latents = {name: torch.randn(4, 16, 16, 16).half() for name in ("coarse", "plain", "target")}
    scripts["lessons"].write_lesson(tmp_path / "lessons" / "0.pt", **latents, phrases=[["clean"], [], ["water"], []])
    for name, stops in (("once", [None]), ("twice", [2, None])):
        (tmp_path / name).mkdir()
        torch.save({"extra": {"std": torch.ones(1, 16, 1, 1)}}, tmp_path / name / "denoiser.pt")
        for stop in stops:
            scripts["train_sharpener"].train(
                tmp_path / "lessons", tmp_path / name, steps=3, **COMMON, side=12, stop_after=stop
            )
    once, twice = (torch.load(tmp_path / name / "sharpener.pt", weights_only=True) for name in ("once", "twice"))
    assert once["step"] == twice["step"] == 3
    assert all(torch.equal(value, twice["model"][name]) for name, value in once["model"].items())
