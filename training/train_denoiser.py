"""Train the denoiser and the text encoder: ``python training/train_denoiser.py --data FOLDER --out FOLDER``.

A U-Net with cross-attention to a prompt of the closed vocabulary, preconditioned by the coarse latent
(pipeline/models/embedded/precondition.py), learns v-prediction (arXiv 2202.00512) under a schedule with zero terminal
SNR (arXiv 2305.08891). Half the samples are at the timesteps that eight trailing steps visit, so that few steps serve.
The same command resumes.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import DDIMScheduler, UNet2DConditionModel
from loop import Loop, fast_numbers, parse_options
from pairs import Pairs, make_pairs
from vocabulary import TOKENS, build_text_encoder, build_tokenizer, write_prompt

from pipeline.models.embedded.precondition import local_spread, precondition

STEPS = 8
"""sampler steps that half of the samples are taken from; 4, 2 and 1 visit a part of them"""
FREE_SHARE = 0.12
"""share of the samples without the coarse latent: pictures from words alone"""
SILENT_SHARE = 0.15
"""share of the samples without a prompt: the unconditional branch of guidance"""
EMA = 0.998
WIDTHS = (64, 128, 192)


def build(widths: tuple[int, ...] = WIDTHS, layers: int = 2, text_width: int = 96) -> UNet2DConditionModel:
    """Convolutions, and attention (to itself and to the prompt) at the lowest resolution, a quarter of the latent's."""
    plain = len(widths) - 1
    model = UNet2DConditionModel(
        sample_size=128,
        in_channels=32,
        out_channels=16,
        block_out_channels=widths,
        layers_per_block=layers,
        down_block_types=("DownBlock2D",) * plain + ("CrossAttnDownBlock2D",),
        up_block_types=("CrossAttnUpBlock2D",) + ("UpBlock2D",) * plain,
        norm_num_groups=16,
        attention_head_dim=[max(1, width // 32) for width in widths],
        cross_attention_dim=text_width,
    )
    with torch.no_grad():
        model.conv_out.weight.zero_()
    return model


def build_scheduler() -> DDIMScheduler:
    return DDIMScheduler(
        beta_schedule="scaled_linear",
        beta_start=0.00085,
        beta_end=0.012,
        rescale_betas_zero_snr=True,
        timestep_spacing="trailing",
        prediction_type="v_prediction",
        clip_sample=False,
        set_alpha_to_one=True,
    )


def draw_times(scheduler: DDIMScheduler, rng: np.random.Generator, batch: int) -> torch.Tensor:
    """Timesteps [batch]: a fifth the first, a third of the few-step grid, the rest anywhere."""
    scheduler.set_timesteps(STEPS)
    grid = scheduler.timesteps.numpy()
    kind = rng.random(batch)
    anywhere = rng.integers(0, scheduler.config.num_train_timesteps, batch)
    few = grid[rng.integers(0, len(grid), batch)]
    return torch.as_tensor(np.where(kind < 0.2, grid[0], np.where(kind < 0.55, few, anywhere)))


class Learner:
    """What one step of training needs; the ControlNet's script uses it too."""

    def __init__(self, pairs: Pairs, table: torch.Tensor, device: str) -> None:
        """``table``: what ``pairs.fit_spread`` gave."""
        self.scheduler, self.tokenizer = build_scheduler(), build_tokenizer()
        self.pairs, self.device = pairs, device
        self.table, self.std = table.to(device), pairs.std.to(device)
        self.usual = (local_spread(pairs.coarse[:64].float(), table) * pairs.std).mean().to(device)

    def tokens(self, chosen: list[int], rng: np.random.Generator) -> torch.Tensor:
        prompts = [write_prompt(self.pairs.phrases[i], rng) if rng.random() >= SILENT_SHARE else "" for i in chosen]
        found = self.tokenizer(prompts, padding="max_length", max_length=TOKENS, truncation=True, return_tensors="pt")
        return found.input_ids.to(self.device)

    def loss(
        self,
        predict: Any,
        clean: torch.Tensor,
        coarse: torch.Tensor,
        free_share: float,
        rng: np.random.Generator,
    ) -> torch.Tensor:
        """Weighted squared error of the network's answer; ``predict(seen, times)`` runs the network.

        A position counts by how much its error moves pixels, not by the square of it: even places count a little too.
        """
        batch, device = len(clean), self.device
        times = draw_times(self.scheduler, rng, batch)
        squared = self.scheduler.alphas_cumprod[times].to(device).view(-1, 1, 1, 1)
        free = torch.as_tensor(rng.random(batch) < free_share).view(-1, 1, 1, 1).to(device)
        noise = torch.randn(clean.shape).to(device)
        spread = torch.where(free, 1.0, local_spread(coarse, self.table))
        coarse = torch.where(free, 0.0, coarse)
        weights = spread * self.std / torch.where(free, self.std.mean(), self.usual)
        noisy = squared.sqrt() * clean + (1 - squared).sqrt() * noise
        velocity = squared.sqrt() * noise - (1 - squared).sqrt() * clean
        prepared = precondition(noisy, coarse, spread, squared.flatten())
        seen = prepared.inputs.contiguous(memory_format=torch.channels_last)
        with fast_numbers(device):
            answer = predict(seen, times.to(device))
        return (weights * (answer.float() - prepared.answer(velocity)) ** 2).mean()


def train_beside(
    loop: Loop,
    learner: Learner,
    rng: np.random.Generator,
    *,
    text: Any,
    batch: int,
    side: int,
    free_share: float,
    keep: float,
    shown: Callable[[torch.Tensor, list[int]], torch.Tensor],
    predict: Callable[[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor],
) -> Any:
    """Train what conditions a frozen denoiser; the averaged network, the loop's state ``average``.

    ``shown(clean, chosen)`` makes the condition of a batch, ``predict(seen, times, states, shown)`` runs both networks.
    """
    model, average = loop.states["model"], loop.states["average"]
    for _ in loop:
        clean, coarse, chosen = learner.pairs.cut(rng, batch, side)
        condition = shown(clean, chosen).to(learner.device)
        states = text(learner.tokens(chosen, rng)).last_hidden_state.clone()

        def answer(seen: torch.Tensor, times: torch.Tensor, states: Any = states, given: Any = condition) -> Any:
            return predict(seen, times, states, given)

        loss = learner.loss(answer, clean.to(learner.device), coarse.to(learner.device), free_share, rng)
        loop.descend(loss)
        loop.average(average, model, keep)
        loop.report(loss=loss.item())
    return average


def train(
    data: Path,
    out: Path,
    *,
    steps: int,
    batch: int,
    side: int,
    pairs: int,
    rate: float,
    seed: int,
    device: str,
    widths: tuple[int, ...] = WIDTHS,
    **more: Any,
) -> UNet2DConditionModel:
    """The averaged denoiser. ``more`` goes to Loop: ``stop_after``, ``minutes``, ``start``."""
    made = make_pairs(data, out, count=pairs, side=side + side // 3, seed=seed + 1, device=device)
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    unet = build(widths).to(device, memory_format=torch.channels_last)
    text = build_text_encoder().to(device)
    slow = [copy.deepcopy(module).requires_grad_(False) for module in (unet, text)]
    loop = Loop(
        out / "denoiser.pt",
        rng,
        steps=steps,
        rate=rate,
        parameters=[*unet.parameters(), *text.parameters()],
        states={"model": unet, "text": text, "average": slow[0], "average_text": slow[1]},
        extra={"mean": made.mean, "std": made.std, "spread": made.fit_spread()},
        decay=1e-3,
        **more,
    )
    learner = Learner(made, loop.extra["spread"], device)
    for _ in loop:
        clean, coarse, chosen = made.cut(rng, batch, side)
        tokens = learner.tokens(chosen, rng)

        def predict(seen: torch.Tensor, times: torch.Tensor, tokens: torch.Tensor = tokens) -> torch.Tensor:
            return unet(seen, times, encoder_hidden_states=text(tokens).last_hidden_state).sample

        loss = learner.loss(predict, clean.to(device), coarse.to(device), FREE_SHARE, rng)
        loop.descend(loss)
        loop.average(slow[0], unet, EMA)
        loop.average(slow[1], text, EMA)
        loop.report(loss=loss.item())
    return slow[0]


def main() -> None:
    train(
        **parse_options(
            __doc__,
            steps=6000,
            batch=16,
            rate=1e-3,
            side=(48, "latent pixels a side of a training window"),
            pairs=(2400, "crops encoded before training starts"),
        )
    )


if __name__ == "__main__":
    main()
