"""Train the ControlNet for structure: ``python training/train_controlnet.py --data FOLDER --out FOLDER``.

It reads four channels at output resolution: the low-resolution image enlarged by bicubic, and canny edges; each is
dropped (zeros) from a share of the samples, so either serves alone. Most samples have no coarse latent: structure must
come through the ControlNet (arXiv 2302.05543). The denoiser is frozen. The same command resumes.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import torch
from degradations import enlarge
from diffusers import ControlNetModel, UNet2DConditionModel
from loop import Loop, fast_numbers, parse_options
from pairs import load_autoencoder, make_pairs
from train_denoiser import WIDTHS, Learner, build, train_beside
from vocabulary import build_text_encoder

from pipeline.imaging.canny import canny_edges

FREE_SHARE = 0.8
DROP_IMAGE, DROP_EDGES = 0.4, 0.4
EMA = 0.995


def build_controlnet(unet: UNet2DConditionModel) -> ControlNetModel:
    """A copy of the U-Net's first half, with two halvings for the image: the latent's factor is 4."""
    return ControlNetModel.from_unet(
        unet, conditioning_channels=4, conditioning_embedding_out_channels=(16, 32, 64), load_weights_from_unet=True
    )


def load_denoiser(out: Path, device: str, widths: tuple[int, ...] = WIDTHS) -> tuple[Any, Any, dict[str, Any]]:
    """The averaged U-Net and text encoder, frozen, and their statistics."""
    record = torch.load(out / "denoiser.pt", weights_only=True, map_location="cpu")
    unet, text = build(widths), build_text_encoder()
    unet.load_state_dict(record["average"])
    text.load_state_dict(record["average_text"])
    for module in (unet, text):
        module.to(device).eval().requires_grad_(False)
    return unet.to(memory_format=torch.channels_last), text, record["extra"]


def structure_of(decoded: torch.Tensor, low: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """[b, 4, y, x]: the enlarged input and the edges of the true picture, each sometimes dropped."""
    edges = torch.stack([canny_edges(image) for image in decoded])
    image = enlarge(low)
    keep_image = torch.as_tensor(rng.random(len(low)) >= DROP_IMAGE).view(-1, 1, 1, 1)
    keep_edges = torch.as_tensor(rng.random(len(low)) >= DROP_EDGES).view(-1, 1, 1, 1)
    return torch.cat([image * keep_image, edges * keep_edges], 1)


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
) -> ControlNetModel:
    """The averaged ControlNet. ``more`` goes to Loop: ``stop_after``, ``minutes``."""
    unet, text, extra = load_denoiser(out, device, widths)
    statistics = extra["mean"], extra["std"]
    made = make_pairs(data, out, count=pairs, side=side, seed=seed + 2, device=device, statistics=statistics)
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    model = build_controlnet(unet).to(device, memory_format=torch.channels_last).requires_grad_(True)
    average = copy.deepcopy(model).requires_grad_(False)
    autoencoder = load_autoencoder(out, device)
    loop = Loop(
        out / "controlnet.pt",
        rng,
        steps=steps,
        rate=rate,
        parameters=[*model.parameters()],
        states={"model": model, "average": average},
        **more,
    )
    learner = Learner(made, extra["spread"], device)
    mean, std = made.mean.to(device), made.std.to(device)

    def shown(clean: torch.Tensor, chosen: list[int]) -> torch.Tensor:
        with torch.inference_mode(), fast_numbers(device):
            decoded = autoencoder.decode(clean.to(device) * std + mean).sample.float().cpu().add(1).div(2).clamp(0, 1)
        return structure_of(decoded, made.low[chosen].float() / 255, rng)

    def predict(seen: torch.Tensor, times: torch.Tensor, states: torch.Tensor, structure: torch.Tensor) -> torch.Tensor:
        down, mid = model(seen, times, encoder_hidden_states=states, controlnet_cond=structure, return_dict=False)
        return unet(
            seen,
            times,
            encoder_hidden_states=states,
            down_block_additional_residuals=down,
            mid_block_additional_residual=mid,
        ).sample

    sizes: dict[str, Any] = {"batch": batch, "side": side, "free_share": FREE_SHARE, "keep": EMA}
    return train_beside(loop, learner, rng, text=text, shown=shown, predict=predict, **sizes)


def main() -> None:
    train(
        **parse_options(
            __doc__,
            steps=2000,
            batch=8,
            rate=1e-3,
            side=(48, "latent pixels a side of a training window"),
            pairs=(640, "crops encoded before training starts"),
        )
    )


if __name__ == "__main__":
    main()
