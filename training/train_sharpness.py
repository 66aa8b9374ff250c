"""Train the denoiser to sharpen: ``python training/train_sharpness.py --lessons FOLDER --out FOLDER``.

The denoiser learns the details of a sharp teacher (lessons.py) for every timestep but the first, where it answers the
restored picture: one step is faithful, and sharpness takes two. What is noised is mostly the coarse latent, where there
is little noise the target, since that is what a sampler's earlier steps leave. Begins with denoiser.pt, and writes
sharpness.pt, which takes its place; the text encoder stays as it is. The same command resumes.
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

FIRST_SHARE, SECOND_SHARE, VISITED_SHARE = 0.05, 0.45, 0.3
"""shares of the samples at the first timestep, at the second of two, and at one that four or eight steps visit; the
rest is anywhere"""
BEGUN_SHARE = 0.2
"""share of the samples in which something of the target is noised already; in the others it is the coarse latent, and
what the network adds has to come from there and not from the noise"""
LITTLE_NOISE = 0.4
"""share of the noise's variance below which the target is noised, as a sampler's earlier steps have made it"""
PLAIN_SHARE = 0.1
"""share of the samples whose coarse latent is bicubic: it leaves more to do"""
SILENT_SHARE = 0.25
"""share of the samples without a prompt"""
ENERGY = 0.25
"""weight of how much detail there is, wherever exactly it lies, beside the plain error"""
EMA = 0.998
RESCAN = 200
"""steps after which new lessons are looked for"""


def draw_times(scheduler: DDIMScheduler, rng: np.random.Generator, batch: int) -> torch.Tensor:
    """Timesteps [batch], by the shares above."""
    grids = []
    for steps in (2, 4, 8):
        scheduler.set_timesteps(steps)
        grids.append(scheduler.timesteps.numpy())
    first, second = grids[0]
    visited = np.concatenate([grid[1:] for grid in grids[1:]])
    drawn = [np.full(batch, first), np.full(batch, second), rng.choice(visited, batch), rng.integers(0, first, batch)]
    ends = np.cumsum([FIRST_SHARE, SECOND_SHARE, VISITED_SHARE])
    return torch.as_tensor(np.choose(np.searchsorted(ends, rng.random(batch), side="right"), drawn))


def draw_begun(squared: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """[b, 1, 1, 1]: how much of the target is in what is noised; ``squared`` [b, 1, 1, 1] is alpha^2."""
    count = len(squared)
    drawn = np.where(rng.random(count) < BEGUN_SHARE, rng.random(count), 0.0)
    begun = torch.as_tensor(drawn, dtype=squared.dtype).view(-1, 1, 1, 1).to(squared.device)
    return torch.where(1 - squared < LITTLE_NOISE, 1.0, begun)


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
        begun = given + draw_begun(squared, rng) * (target - given)
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
    start: Path | None = None,
    **more: Any,
) -> UNet2DConditionModel:
    """The averaged denoiser, begun with ``out``/denoiser.pt where no ``start`` is given. ``more`` goes to Loop."""
    start = start or out / "denoiser.pt"
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    found = Lessons(lessons)
    found.refresh()
    unet = build(widths).to(device, memory_format=torch.channels_last)
    text = build_text_encoder().to(device).requires_grad_(False)
    slow = [copy.deepcopy(module).requires_grad_(False) for module in (unet, text)]
    loop = Loop(
        out / "sharpness.pt",
        rng,
        steps=steps,
        rate=rate,
        parameters=[*unet.parameters()],
        states={"model": unet, "text": text, "average": slow[0], "average_text": slow[1]},
        extra=_begun(start),
        decay=1e-3,
        start=start,
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
    options = parse_options(
        __doc__,
        steps=6000,
        batch=8,
        rate=5e-4,
        side=(32, "latent pixels a side of a window"),
        paths={"lessons": "folder that teach.py wrote"},
    )
    del options["data"]
    train(**options)


if __name__ == "__main__":
    main()
