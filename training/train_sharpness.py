"""Train the denoiser to sharpen: ``python training/train_sharpness.py --lessons FOLDER --out FOLDER``.

The denoiser learns the details of a sharp teacher (lessons.py) for every timestep but the first, where it answers the
restored picture: one step is faithful, and sharpness takes two. What is noised is anything between the coarse latent
and the target, since that is what a sampler's earlier steps leave. Begins with --start, a checkpoint of
train_denoiser.py; the text encoder stays as it is. The same command resumes.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import DDIMScheduler, UNet2DConditionModel
from lessons import Lessons, mean_energy
from loop import Loop, fast_numbers, parse_options
from train_denoiser import WIDTHS, build, build_scheduler
from vocabulary import TOKENS, build_text_encoder, build_tokenizer, write_prompt

from pipeline.models.embedded.precondition import local_spread, precondition

FIRST_SHARE = 0.1
"""share of the samples at the first timestep"""
PLAIN_SHARE = 0.2
"""share of the samples whose coarse latent is bicubic: it leaves more to do"""
SILENT_SHARE = 0.25
"""share of the samples without a prompt"""
ENERGY = 0.5
"""weight of how much detail there is, wherever exactly it lies, beside the plain error"""
EMA = 0.998
RESCAN = 200
"""steps after which new lessons are looked for"""


def draw_times(scheduler: DDIMScheduler, rng: np.random.Generator, batch: int) -> torch.Tensor:
    """Timesteps [batch]: FIRST_SHARE the first, half of the others visited by two to eight steps, the rest anywhere."""
    grids = []
    for steps in (2, 4, 8):
        scheduler.set_timesteps(steps)
        grids.append(scheduler.timesteps.numpy()[1:])
    first = scheduler.config.num_train_timesteps - 1
    visited = np.array([grid[rng.integers(len(grid))] for grid in (grids[rng.integers(3)] for _ in range(batch))])
    anywhere = rng.integers(0, first, batch)
    kind = rng.random(batch)
    half = FIRST_SHARE + (1 - FIRST_SHARE) / 2
    return torch.as_tensor(np.where(kind < FIRST_SHARE, first, np.where(kind < half, visited, anywhere)))


def loss_of(
    found: torch.Tensor, target: torch.Tensor, coarse: torch.Tensor, weights: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """The plain error and that of the detail's amount, latents weighted [1, c, 1, 1] by how much they move pixels."""
    plain = (weights * (found - target).abs()).mean()
    amounts = (mean_energy(found - coarse) - mean_energy(target - coarse)).abs()
    return plain, (weights * amounts).mean()


class Student:
    """What one step of training needs."""

    def __init__(self, extra: dict[str, Any], device: str) -> None:
        """``extra``: the denoiser's mean, std and spread."""
        self.scheduler, self.tokenizer = build_scheduler(), build_tokenizer()
        self.device, self.table = device, extra["spread"].to(device)
        self.weights = extra["std"].to(device)

    def tokens(self, said: list[list[str]], rng: np.random.Generator) -> torch.Tensor:
        prompts = [write_prompt(phrases, rng) if rng.random() >= SILENT_SHARE else "" for phrases in said]
        found = self.tokenizer(prompts, padding="max_length", max_length=TOKENS, truncation=True, return_tensors="pt")
        return found.input_ids.to(self.device)

    def losses(
        self, predict: Any, restored: torch.Tensor, given: torch.Tensor, target: torch.Tensor, rng: np.random.Generator
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Of one batch; ``predict(seen, times)`` runs the network."""
        times = draw_times(self.scheduler, rng, len(given))
        squared = self.scheduler.alphas_cumprod[times].to(self.device).view(-1, 1, 1, 1)
        first = (times == times.new_tensor(self.scheduler.config.num_train_timesteps - 1)).view(-1, 1, 1, 1)
        wanted = torch.where(first.to(self.device), restored, target)
        drawn = rng.choice([0.0, 1.0, -1.0], len(given), p=[0.4, 0.3, 0.3])
        between = torch.as_tensor(np.where(drawn < 0, rng.random(len(given)), drawn), dtype=torch.float32)
        # little noise leaves the network little to say: there the picture is nearly done
        between = torch.maximum(between, 1.0 - 2 * (1 - squared.flatten().cpu())).view(-1, 1, 1, 1).to(self.device)
        begun = given + between * (target - given)
        noisy = squared.sqrt() * begun + (1 - squared).sqrt() * torch.randn(given.shape).to(self.device)
        prepared = precondition(noisy, given, local_spread(given, self.table), squared.flatten())
        with fast_numbers(self.device):
            answer = predict(prepared.inputs.contiguous(memory_format=torch.channels_last), times.to(self.device))
        found = squared.sqrt() * noisy - (1 - squared).sqrt() * prepared.velocity(answer.float())
        return loss_of(found, wanted, given, self.weights)


def train(
    lessons: Path,
    out: Path,
    *,
    steps: int,
    batch: int,
    side: int,
    rate: float,
    seed: int,
    device: str,
    widths: tuple[int, ...] = WIDTHS,
    **more: Any,
) -> UNet2DConditionModel:
    """The averaged denoiser. ``more`` goes to Loop: ``stop_after``, ``minutes``, ``start``."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    found = Lessons(lessons)
    found.refresh()
    unet = build(widths).to(device, memory_format=torch.channels_last)
    text = build_text_encoder().to(device).requires_grad_(False)
    slow = [copy.deepcopy(module).requires_grad_(False) for module in (unet, text)]
    loop = Loop(
        out / "denoiser.pt",
        rng,
        steps=steps,
        rate=rate,
        parameters=[*unet.parameters()],
        states={"model": unet, "text": text, "average": slow[0], "average_text": slow[1]},
        extra=_begun(more.get("start") or out / "denoiser.pt"),
        decay=1e-3,
        **more,
    )
    student = Student(loop.extra, device)
    for step in loop:
        if step % RESCAN == 0:
            found.refresh()
        restored, given, target, said = found.cut(rng, batch, side, PLAIN_SHARE)
        states = text(student.tokens(said, rng)).last_hidden_state

        def predict(seen: torch.Tensor, times: torch.Tensor, states: torch.Tensor = states) -> torch.Tensor:
            return unet(seen, times, encoder_hidden_states=states).sample

        plain, amount = student.losses(predict, *(one.to(device) for one in (restored, given, target)), rng)
        loop.descend(plain + ENERGY * amount)
        loop.average(slow[0], unet, EMA)
        to_do = ((target - given).abs() * loop.extra["std"]).mean()
        loop.report(loss=plain.item(), amount=amount.item(), to_do=to_do.item())
    return slow[0]


def _begun(start: Path) -> dict[str, Any]:
    """The latents' statistics, which sharpening leaves as they are."""
    if not start.is_file():
        raise FileNotFoundError(f"no denoiser in {start}: give --start a checkpoint of train_denoiser.py or unpack.py")
    extra: dict[str, Any] = torch.load(start, map_location="cpu", weights_only=True)["extra"]
    return extra


def main() -> None:
    options = parse_options(__doc__, steps=6000, batch=8, rate=5e-4, side=(40, "latent pixels a side of a window"))
    options["lessons"] = options.pop("data")
    train(**options)


if __name__ == "__main__":
    main()
