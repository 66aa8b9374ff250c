"""Learned measures, where their weights are given by a path: LPIPS, CLIP-IQA, FID, and scripted ones such as MUSIQ."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.linalg import sqrtm
from torch import nn
from torch.nn import functional
from transformers import AutoTokenizer, CLIPModel

ALEXNET_TAPS = (1, 4, 7, 9, 11)
"""layers of AlexNet's features whose outputs LPIPS compares"""
CLIP_MEAN, CLIP_STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
FID_SIDE, FID_STRIDE = 299, 150
"""pixels a side of the patches that FID is taken of, and how far apart they are"""

Measure = Callable[[torch.Tensor, torch.Tensor], float]
"""from a result and the truth, both [3, y, x] in [0, 1]"""


@dataclass(slots=True, kw_only=True)
class Learned:
    """The learned measures of one benchmark; an empty one measures nothing."""

    measures: dict[str, Measure] = field(default_factory=dict)
    inception: Callable[[torch.Tensor], torch.Tensor] | None = None
    features: dict[str, list[torch.Tensor]] = field(default_factory=dict)
    """Inception's features of each collection's patches"""

    def measure(self, found: torch.Tensor, true: torch.Tensor) -> dict[str, float]:
        return {name: one(found, true) for name, one in self.measures.items()}

    @torch.inference_mode()
    def collect(self, name: str, image: torch.Tensor) -> None:
        """Count ``image`` to the collection ``name``, for FID."""
        if self.inception is not None:
            patches = image.unfold(1, FID_SIDE, FID_STRIDE).unfold(2, FID_SIDE, FID_STRIDE)
            patches = patches.permute(1, 2, 0, 3, 4).reshape(-1, 3, FID_SIDE, FID_SIDE)
            self.features.setdefault(name, []).append(self.inception(patches * 2 - 1).double())

    def fid(self, name: str, truth: str) -> float | None:
        """Fréchet distance of two collections; None without an Inception."""
        if self.inception is None:
            return None
        return frechet_distance(*(torch.cat(self.features[which]).numpy() for which in (name, truth)))


def frechet_distance(first: np.ndarray, second: np.ndarray) -> float:
    """Between the Gaussians of two sets of features [n, d] (Heusel et al. 2017, arXiv 1706.08500)."""
    one, other = np.cov(first, rowvar=False), np.cov(second, rowvar=False)
    distance = ((first.mean(0) - second.mean(0)) ** 2).sum()
    return float(distance + np.trace(one + other - 2 * sqrtm(one @ other).real))


class LPIPS(nn.Module):
    """Learned perceptual distance on AlexNet (Zhang et al. 2018, arXiv 1801.03924, version 0.1)."""

    def __init__(self) -> None:
        super().__init__()
        widths = (64, 192, 384, 256, 256)
        relu, pool = nn.ReLU, nn.MaxPool2d
        self.features = nn.Sequential(
            nn.Conv2d(3, 64, 11, stride=4, padding=2), relu(), pool(3, 2),
            nn.Conv2d(64, 192, 5, padding=2), relu(), pool(3, 2),
            nn.Conv2d(192, 384, 3, padding=1), relu(),
            nn.Conv2d(384, 256, 3, padding=1), relu(),
            nn.Conv2d(256, 256, 3, padding=1), relu(),
        )  # fmt: skip
        self.heads = nn.ParameterList([nn.Parameter(torch.zeros(1, width, 1, 1)) for width in widths])

    @torch.inference_mode()
    def forward(self, found: torch.Tensor, true: torch.Tensor) -> float:
        shift, spread = torch.tensor([-0.030, -0.088, -0.188]), torch.tensor([0.458, 0.448, 0.450])
        values = (torch.stack([found, true]) * 2 - 1 - shift.view(1, 3, 1, 1)) / spread.view(1, 3, 1, 1)
        total, head = 0.0, iter(self.heads)
        for number, layer in enumerate(self.features):
            values = layer(values)
            if number in ALEXNET_TAPS:
                one, other = values / (values.norm(dim=1, keepdim=True) + 1e-10)
                total += float(((one - other) ** 2 * next(head)[0]).sum(0).mean())
        return total


def load_lpips(backbone: Path, heads: Path) -> LPIPS:
    """``backbone``: torchvision's AlexNet; ``heads``: LPIPS's own alex.pth."""
    model = LPIPS().eval()
    weights = torch.load(backbone, weights_only=True)
    kept = {name.removeprefix("features."): value for name, value in weights.items() if name.startswith("features.")}
    model.features.load_state_dict(kept)
    linear = torch.load(heads, weights_only=True)
    for number, head in enumerate(model.heads):
        head.data.copy_(linear[f"lin{number}.model.1.weight"])
    return model


def load_clip_iqa(folder: Path) -> Measure:
    """CLIP-IQA (Wang et al. 2023, arXiv 2207.12396): how much nearer to "Good photo." than to "Bad photo.".

    ``folder``: a CLIP model and its tokenizer as transformers saves them.
    """
    model = CLIPModel.from_pretrained(folder, trust_remote_code=False).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    tokens = tokenizer(["Good photo.", "Bad photo."], padding=True, return_tensors="pt")
    side = model.config.vision_config.image_size
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (CLIP_MEAN, CLIP_STD))

    @torch.inference_mode()
    def measure(found: torch.Tensor, true: torch.Tensor) -> float:
        pixels = functional.interpolate(found[None], (side, side), mode="bicubic", antialias=True)
        logits = model(pixel_values=(pixels.clamp(0, 1) - mean) / std, **tokens).logits_per_image
        return float(logits.softmax(1)[0, 0])

    return measure


def load_scripted(path: Path) -> Measure:
    """A TorchScript measure of [b, 3, y, x] in [0, 1]: of the result alone, or of the result and the truth."""
    script: Any = torch.jit.load(str(path), map_location="cpu").eval()
    alone = len(script.forward.schema.arguments) == 2

    @torch.inference_mode()
    def measure(found: torch.Tensor, true: torch.Tensor) -> float:
        return float(script(found[None]) if alone else script(found[None], true[None]))

    return measure


def add_learned_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--lpips", type=Path, nargs=2, metavar=("ALEXNET", "HEADS"), help="weights of LPIPS")
    parser.add_argument("--clip", type=Path, help="folder of a CLIP model, for CLIP-IQA")
    parser.add_argument(
        "--inception", type=Path, help="TorchScript from [b, 3, 299, 299] in [-1, 1] to features, for FID"
    )
    parser.add_argument("--scripted", nargs="*", default=[], metavar="NAME=PATH", help="TorchScript measures, as MUSIQ")


def load_learned(options: argparse.Namespace) -> Learned:
    """The measures whose weights are given. Raises FileNotFoundError before anything is measured."""
    scripted = [word.split("=", 1) for word in options.scripted]
    paths = [*(options.lpips or []), options.clip, options.inception, *(Path(path) for _, path in scripted)]
    for path in paths:
        if path is not None and not path.exists():
            raise FileNotFoundError(
                f"no weights at {path}: give the path of the file or folder, or leave the option out"
            )
    measures: dict[str, Measure] = {}
    if options.lpips:
        measures["LPIPS"] = load_lpips(*options.lpips)
    if options.clip:
        measures["CLIP-IQA"] = load_clip_iqa(options.clip)
    measures |= {name: load_scripted(Path(path)) for name, path in scripted}
    inception = torch.jit.load(str(options.inception), map_location="cpu").eval() if options.inception else None
    return Learned(measures=measures, inception=inception)
