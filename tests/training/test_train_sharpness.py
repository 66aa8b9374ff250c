"""The denoiser's lessons in sharpness: what is asked of it at which timestep, and that a stopped run goes on."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from pipeline.models.embedded.precondition import local_spread, precondition
from tests.training.toy import COMMON, WIDTHS

EXTRA = {
    "mean": torch.zeros(1, 16, 1, 1),
    "std": torch.linspace(0.5, 2.0, 16).view(1, 16, 1, 1),
    "spread": torch.zeros(16, 3),
}


def test_timesteps_are_those_that_few_steps_visit(scripts: dict[str, ModuleType]) -> None:
    sharpness = scripts["train_sharpness"]
    times = sharpness.draw_times(sharpness.build_scheduler(), np.random.default_rng(0), 4000).numpy()
    assert (times == 999).mean() == pytest.approx(sharpness.FIRST_SHARE, abs=0.02)
    # of two steps the second is at 499; of four they are every 250, of eight every 125
    assert (times == 499).mean() > sharpness.SECOND_SHARE
    visited = np.isin(times, [124, 249, 374, 499, 624, 749, 874]).mean()
    assert visited == pytest.approx(sharpness.SECOND_SHARE + sharpness.VISITED_SHARE, abs=0.03)


def test_the_target_is_noised_where_there_is_little_noise(scripts: dict[str, ModuleType]) -> None:
    sharpness, rng = scripts["train_sharpness"], np.random.default_rng(0)
    much, little = (torch.full((2000, 1, 1, 1), value) for value in (0.2, 0.9))
    assert torch.equal(sharpness.draw_begun(little, rng), torch.ones_like(little))
    begun = sharpness.draw_begun(much, rng)
    assert float((begun == 0).float().mean()) == pytest.approx(1 - sharpness.BEGUN_SHARE, abs=0.03)
    assert float(begun[begun > 0].mean()) == pytest.approx(0.5, abs=0.05)


def test_the_loss_is_the_plain_error_and_the_amount_of_detail(scripts: dict[str, ModuleType]) -> None:
    coarse, weights = torch.zeros(1, 2, 8, 8), torch.tensor([1.0, 3.0]).view(1, 2, 1, 1)
    target = torch.full_like(coarse, 0.5)
    plain, amount = scripts["train_sharpness"].loss_of(-target, target, coarse, weights)
    assert float(plain) == pytest.approx(2.0)
    assert float(amount) == pytest.approx(0.0, abs=1e-6), "as much detail, only elsewhere"
    plain, amount = scripts["train_sharpness"].loss_of(coarse, target, coarse, weights)
    assert float(plain) == pytest.approx(1.0)
    assert float(amount) == pytest.approx(1.0, abs=1e-3)


@pytest.mark.parametrize(("share", "wanted"), [(1.0, "restored"), (0.0, "target")])
def test_a_network_that_knows_the_answer_has_no_loss(
    scripts: dict[str, ModuleType], monkeypatch: pytest.MonkeyPatch, share: float, wanted: str
) -> None:
    """At the first timestep the restored picture is asked for, at all others the sharp one, whatever was noised."""
    sharpness = scripts["train_sharpness"]
    for name in ("FIRST_SHARE", "SECOND_SHARE", "VISITED_SHARE"):
        monkeypatch.setattr(sharpness, name, 0.0)
    monkeypatch.setattr(sharpness, "FIRST_SHARE" if share else "SECOND_SHARE", 1.0)
    generator = torch.Generator().manual_seed(0)
    latents = {name: torch.randn(6, 16, 8, 8, generator=generator) for name in ("restored", "target")}
    student = sharpness.Student(EXTRA, "cpu")

    def know(seen: torch.Tensor, times: torch.Tensor) -> torch.Tensor:
        """The answer that is worth the clean latent; what was noised is what the network sees, scaled back."""
        squared = student.scheduler.alphas_cumprod[times].view(-1, 1, 1, 1)
        spread = local_spread(given, EXTRA["spread"])
        deviation = (squared * spread**2 + 1 - squared).sqrt()
        noisy = seen[:, :16] * deviation + squared.sqrt() * given
        velocity = (squared.sqrt() * noisy - latents[wanted]) / (1 - squared).sqrt()
        return precondition(noisy, given, spread, squared.flatten()).answer(velocity)

    given = latents["restored"]
    with torch.autocast("cpu", enabled=False):
        plain, amount = student.losses(know, given, given, latents["target"], np.random.default_rng(0))
    assert float(plain) < 1e-3
    assert float(amount) < 1e-3


def test_a_stopped_run_ends_as_if_never_stopped(scripts: dict[str, ModuleType], trained: Path, tmp_path: Path) -> None:
    latents = {name: torch.randn(4, 16, 16, 16).half() for name in ("coarse", "plain", "target")}
    scripts["lessons"].write_lesson(tmp_path / "lessons" / "0.pt", **latents, phrases=[["clean"], [], ["water"], []])
    options = {**COMMON, "side": 12, "widths": WIDTHS, "start": trained / "denoiser.pt"}
    loaded = scripts["train_controlnet"].load_denoiser
    for name, stops in (("once", [None]), ("twice", [2, None])):
        for stop in stops:
            scripts["train_sharpness"].train(tmp_path / "lessons", tmp_path / name, steps=3, **options, stop_after=stop)
    once, twice = (torch.load(tmp_path / name / "sharpness.pt", weights_only=True) for name in ("once", "twice"))
    before = torch.load(trained / "denoiser.pt", weights_only=True)
    assert once["step"] == twice["step"] == 3
    assert all(torch.equal(value, twice["model"][name]) for name, value in once["model"].items())
    assert any(not torch.equal(value, before["model"][name]) for name, value in once["model"].items())
    assert all(torch.equal(value, before["average_text"][name]) for name, value in once["average_text"].items())
    assert torch.equal(once["extra"]["spread"], before["extra"]["spread"])
    found = loaded(tmp_path / "once", "cpu", WIDTHS)[0].state_dict()
    assert all(torch.equal(value, found[name]) for name, value in once["average"].items()), (
        "it takes the denoiser's place"
    )


def test_without_a_denoiser_it_says_where_to_get_one(scripts: dict[str, ModuleType], tmp_path: Path) -> None:
    latents = {name: torch.zeros(1, 16, 12, 12).half() for name in ("coarse", "plain", "target")}
    scripts["lessons"].write_lesson(tmp_path / "lessons" / "0.pt", **latents, phrases=[[]])
    with pytest.raises(FileNotFoundError, match="give --start a checkpoint of train_denoiser"):
        scripts["train_sharpness"].train(tmp_path / "lessons", tmp_path, steps=1, **COMMON, side=12, widths=WIDTHS)
