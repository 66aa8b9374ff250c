"""Pairs of true and coarse latents with their prompts, made once: the autoencoder and the restoration are frozen."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from crops import Crops, load_pictures
from degradations import SCALE, degrade, draw_profiles, enlarge
from diffusers import AutoencoderDC
from loop import fast_numbers
from train_autoencoder import build as build_autoencoder
from vocabulary import PHRASES

from pipeline.models.embedded.precondition import SIDES, local_spread
from pipeline.models.embedded.restoration import RestorationModule

PLAIN_SHARE = 0.2
"""share of the pairs whose coarse latent is the bicubic enlargement's, so that words about its faults matter"""


@dataclass(slots=True)
class Pairs:
    """Latents [n, c, y, x] float16, normalised a channel; ``low`` [n, 3, y, x] uint8 is the input on the same grid."""

    truth: torch.Tensor
    coarse: torch.Tensor
    low: torch.Tensor
    phrases: list[list[str]]
    mean: torch.Tensor
    std: torch.Tensor

    def fit_spread(self, rounds: int = 300) -> torch.Tensor:
        """[c, 3]: the table of local_spread under which the truth is likeliest, as Gaussian round the coarse latent."""
        channels, rng = self.truth.shape[1], np.random.default_rng(0)
        table = torch.zeros(channels, 1 + len(SIDES)).requires_grad_()
        optimizer = torch.optim.Adam([table], 0.05)
        for _ in range(rounds):
            truth, coarse, _ = self.cut(rng, 8, min(32, self.truth.shape[2]))
            spread = local_spread(coarse, table)
            loss = (2 * spread.log() + ((truth - coarse) / spread) ** 2).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        return table.detach()

    def cut(self, rng: np.random.Generator, batch: int, side: int) -> tuple[torch.Tensor, torch.Tensor, list[int]]:
        """Windows of ``side`` latent pixels of truth and coarse, float32, at random places; and which pairs."""
        chosen = rng.integers(0, len(self.truth), batch)
        places = rng.integers(0, self.truth.shape[2] - side + 1, (batch, 2))

        def windows(latents: torch.Tensor) -> torch.Tensor:
            cut = [latents[i, :, y : y + side, x : x + side] for i, (y, x) in zip(chosen, places, strict=True)]
            return torch.stack(cut).float()

        return windows(self.truth), windows(self.coarse), [int(i) for i in chosen]


def load_autoencoder(out: Path, device: str) -> AutoencoderDC:
    model = build_autoencoder()
    model.load_state_dict(torch.load(out / "autoencoder.pt", weights_only=True)["model"])
    return model.to(device, memory_format=torch.channels_last).eval().requires_grad_(False)


def restoration_shape(weights: dict[str, torch.Tensor]) -> dict[str, Any]:
    """Blocks and scales of a restoration module, read off the names of its weights."""
    blocks = {name.split(".")[1] for name in weights if name.startswith("blocks.")}
    others = {int(name.split(".")[1]) for name in weights if name.startswith("others.")}
    return {"num_blocks": len(blocks), "scales": (*sorted(others), SCALE) if others else ()}


def load_restoration(out: Path, device: str) -> RestorationModule:
    weights = torch.load(out / "restoration.pt", weights_only=True)["average"]
    model = RestorationModule(**restoration_shape(weights), phrases=PHRASES)
    model.load_state_dict(weights)
    return model.to(device, memory_format=torch.channels_last).eval().requires_grad_(False)


@torch.inference_mode()
def make_pairs(
    data: Path,
    out: Path,
    *,
    count: int,
    side: int,
    seed: int,
    device: str,
    statistics: tuple[torch.Tensor, torch.Tensor] | None = None,
) -> Pairs:
    """``count`` pairs of ``side`` latent pixels from the pictures below ``data``, with the networks in ``out``.

    ``statistics``: the latents' mean and deviation that they are normalised by; their own where None.
    """
    autoencoder, restoration = load_autoencoder(out, device), load_restoration(out, device)
    crops = Crops(load_pictures(data), np.random.default_rng(seed))

    def encode(pixels: torch.Tensor) -> torch.Tensor:
        images = (pixels.clamp(0, 1) * 2 - 1).to(device).contiguous(memory_format=torch.channels_last)
        with fast_numbers(device):
            return autoencoder.encode(images).latent.float().cpu()

    truth, coarse, lows, phrases = [], [], [], []
    for _ in range(0, count, 16):
        high, words = crops.draw_described(16, side * 4)
        low, done = degrade(high, crops.rng, draw_profiles(words, crops.rng))
        with fast_numbers(device):
            restored = restoration(low.to(device).contiguous(memory_format=torch.channels_last))[0].float().cpu()
        plain = torch.from_numpy(crops.rng.random(16) < PLAIN_SHARE).view(-1, 1, 1, 1)
        truth.append(encode(high).half())
        coarse.append(encode(torch.where(plain, enlarge(low), restored)).half())
        lows.append((low * 255).round().to(torch.uint8))
        phrases += [said + strength.words() for said, strength in zip(words, done, strict=True)]
    return _normalised(torch.cat(truth), torch.cat(coarse), torch.cat(lows), phrases, statistics)


def _normalised(
    truth: torch.Tensor,
    coarse: torch.Tensor,
    low: torch.Tensor,
    phrases: list[list[str]],
    statistics: tuple[torch.Tensor, torch.Tensor] | None,
) -> Pairs:
    if statistics is None:
        values = truth[::4].float().permute(1, 0, 2, 3).reshape(truth.shape[1], -1)
        statistics = values.mean(1).view(1, -1, 1, 1), values.std(1).view(1, -1, 1, 1)
    mean, std = statistics
    for latents in (truth, coarse):
        for one in latents:
            one.copy_((one.float() - mean[0]) / std[0])
    return Pairs(truth, coarse, low, phrases, mean, std)
