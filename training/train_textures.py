"""Train texture prompts: ``python training/train_textures.py --data FOLDER --out FOLDER``.

The denoiser learns to read descriptions of sharp textures beside its prompt, by a cross-attention of their own
(IP-Adapter, arXiv 2308.06721): pipeline/models/embedded/texture_encoder.py describes pictures, a projection makes four
tokens of each description, and every attention to the prompt gets a second one, to those tokens. The rest is frozen.
Some samples are shown their own true texture, the others the nearest ones of other crops by what the coarse picture
shows, as at run time (PatchScaler, arXiv 2405.17158, Algorithm 1). The same command resumes."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import torch
from export import load_tagger
from ip_adapter import adapter_modules, new_adapter
from loop import Loop, parse_options
from pairs import Pairs, load_autoencoder, make_pairs
from torch import nn
from train_controlnet import load_denoiser
from train_denoiser import WIDTHS, Learner, train_beside

from pipeline.models.embedded.texture_encoder import TextureEncoder

MOST = 4
"""descriptions that a sample is shown at most"""
OWN_SHARE = 0.4
"""share of the samples that are shown their own texture"""
FREE_SHARE = 0.05
"""share of the samples without a coarse latent"""
EMA = 0.995


@torch.inference_mode()
def measure_pairs(made: Pairs, out: Path, device: str) -> tuple[torch.Tensor, torch.Tensor]:
    """The tagger's measures [n, features] of each pair's true picture and of its coarse one."""
    autoencoder, tagger = load_autoencoder(out, device), load_tagger(out).eval()
    found: tuple[list[torch.Tensor], list[torch.Tensor]] = ([], [])
    for first in range(0, len(made.truth), 8):
        for measures, latents in zip(found, (made.truth, made.coarse), strict=True):
            plain = latents[first : first + 8].float() * made.std + made.mean
            pixels = autoencoder.decode(plain.to(device)).sample.float().cpu().add(1).div(2).clamp(0, 1)
            measures.append(tagger.statistics(pixels))
    return torch.cat(found[0]).clone(), torch.cat(found[1]).clone()


class Shown:
    """Which descriptions a sample is shown."""

    def __init__(self, values: torch.Tensor, keys: torch.Tensor) -> None:
        """``values`` and ``keys`` [n, width]: of the true pictures, and of the coarse ones."""
        unit = keys / keys.norm(dim=1, keepdim=True).clamp_min(1e-6)
        likeness = unit @ unit.mT
        likeness.fill_diagonal_(-2)
        self.values, self.nearest = values, likeness.topk(min(8, len(keys) - 1), 1).indices

    def draw(self, chosen: list[int], rng: np.random.Generator) -> torch.Tensor:
        """[b, MOST, width]: the sample's own description once in OWN_SHARE, the rest its neighbours'."""
        rows = []
        for sample in chosen:
            places = rng.choice(self.nearest.shape[1], MOST, replace=self.nearest.shape[1] < MOST)
            shown = self.values[self.nearest[sample, places]].clone()
            if rng.random() < OWN_SHARE:
                shown[: rng.integers(1, MOST + 1)] = self.values[sample]
            rows.append(shown)
        return torch.stack(rows)


def train(
    data: Path,
    out: Path,
    *,
    steps: int,
    batch: int,
    side: int,
    pairs: int,
    width: int,
    rate: float,
    seed: int,
    device: str,
    widths: tuple[int, ...] = WIDTHS,
    **more: Any,
) -> nn.ModuleList:
    """The averaged adapter. ``more`` goes to Loop: ``stop_after``, ``minutes``, ``start``."""
    unet, text, extra = load_denoiser(out, device, widths)
    statistics = extra["mean"], extra["std"]
    made = make_pairs(data, out, count=pairs, side=side, seed=seed + 3, device=device, statistics=statistics)
    true, coarse_measures = measure_pairs(made, out, device)
    encoder = TextureEncoder(features=true.shape[1], width=width)
    encoder.fit(torch.cat([true, coarse_measures]))
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    unet._load_ip_adapter_weights([new_adapter(unet, width, seed)], low_cpu_mem_usage=False)
    model = adapter_modules(unet).requires_grad_(True)
    average = copy.deepcopy(model).requires_grad_(False)
    loop = Loop(
        out / "textures.pt",
        rng,
        steps=steps,
        rate=rate,
        parameters=[*model.parameters()],
        states={"model": model, "average": average, "encoder": encoder},
        **more,
    )
    shown, learner = Shown(encoder(true), encoder(coarse_measures)), Learner(made, extra["spread"], device)

    def predict(seen: torch.Tensor, times: torch.Tensor, states: torch.Tensor, described: torch.Tensor) -> torch.Tensor:
        added = {"image_embeds": [described]}
        return unet(seen, times, encoder_hidden_states=states, added_cond_kwargs=added).sample

    sizes: dict[str, Any] = {"batch": batch, "side": side, "free_share": FREE_SHARE, "keep": EMA}
    return train_beside(
        loop, learner, rng, text=text, shown=lambda _, chosen: shown.draw(chosen, rng), predict=predict, **sizes
    )


def main() -> None:
    train(
        **parse_options(
            __doc__,
            steps=2000,
            batch=8,
            rate=1e-3,
            side=(48, "latent pixels a side of a training window"),
            pairs=(1280, "crops encoded before training starts"),
            width=(64, "numbers that describe a texture"),
        )
    )


if __name__ == "__main__":
    main()
