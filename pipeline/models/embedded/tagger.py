"""The embedded tagger: which degradation and content words hold for a low-resolution crop.

It stands where DAPE stands in SeeSR (arXiv 2311.16518): it was trained on degraded crops to give the words of the clean
ones, and the degradations beside. It computes in float32 always: bfloat16 rounds slight noise away.
"""

from __future__ import annotations

import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from torch import nn
from torch.nn import functional

from pipeline.imaging.finite import finite

DEGRADATIONS = ("slight blur", "strong blur", "slight noise", "strong noise", "slight jpeg", "strong jpeg")
"""phrases that speak of damage"""
FINE = 8.0
"""how much the difference from the 3 x 3 mean is raised"""
BLOCK = 8
"""pixels a side of JPEG's blocks"""
LEAST_SIDE = 32
"""pixels a side of the smallest crops that it was trained on; there are too few of some features in smaller ones"""
EDGE = 0.03
"""a bend of the brightness counts as at most so much: edges of the picture would drown those of the blocks"""
SHARES = (0.05, 0.3, 0.7)
"""quantiles of local energy: noise shows in the calmest part of a crop, blur in the liveliest"""


class Tagger(ModelMixin, ConfigMixin):
    """Strided convolutions on the colours and on their fine detail; statistics of every feature; a logit a phrase."""

    config_name: str = "config.json"  # type: ignore[assignment]

    @register_to_config
    def __init__(self, phrases: tuple[str, ...], thresholds: tuple[float, ...] | None = None, width: int = 24) -> None:
        super().__init__()
        widths = (width, width, width * 2, width * 3, width * 4)
        self.conv_in = nn.Conv2d(6, width, 3, padding=1)
        self.levels = nn.ModuleList(
            nn.Conv2d(before, after, 3, stride=1 if number == 0 else 2, padding=1)
            for number, (before, after) in enumerate(zip(widths[:1] + widths[:-1], widths, strict=True))
        )
        features = (2 + len(SHARES)) * (6 + sum(widths)) + 2 * BLOCK
        self.norm = nn.LayerNorm(features)
        self.head = nn.Sequential(nn.Linear(features, 128), nn.SiLU(), nn.Linear(128, len(phrases)))

    def forward(self, low: torch.Tensor) -> torch.Tensor:
        """low [b, 3, y, x] in [0, 1], -> logits [b, phrases]."""
        return self.head(self.norm(self.statistics(low)))

    def statistics(self, low: torch.Tensor) -> torch.Tensor:
        """[b, features]: what is measured of each crop. One smaller than LEAST_SIDE goes on as it ends."""
        missing = [max(0, LEAST_SIDE - side) for side in low.shape[2:]]
        low = functional.pad(low, (0, missing[1], 0, missing[0]), mode="replicate")
        mean = functional.avg_pool2d(functional.pad(low, (1, 1, 1, 1), mode="reflect"), 3, stride=1)
        colours = torch.cat([low * 2 - 1, FINE * (low - mean)], 1)
        pooled, features = [_statistics(colours)], functional.silu(self.conv_in(colours))
        for level in self.levels:
            features = functional.silu(level(features))
            pooled.append(_statistics(features))
        return torch.cat([*pooled, _blockiness(low)], 1)

    @torch.inference_mode()
    def say(self, low: torch.Tensor) -> list[list[tuple[str, float]]]:
        """Phrases whose probability passes their threshold, with it, the surest first, for each crop of ``low``."""
        weight = self.conv_in.weight
        probabilities = finite(torch.sigmoid(self(low.to(weight.device, weight.dtype))).cpu(), "the tagger")
        phrases, thresholds = self.config["phrases"], self.config["thresholds"] or [0.5] * len(self.config["phrases"])
        tags = []
        for row in probabilities.tolist():
            passed = [(phrase, p) for phrase, p, least in zip(phrases, row, thresholds, strict=True) if p >= least]
            tags.append(sorted(passed, key=lambda pair: -pair[1]))
        return tags


def _statistics(features: torch.Tensor) -> torch.Tensor:
    """[b, 5 c]: mean and deviation of each feature, and logarithms of quantiles of its energy in 4 x 4 blocks."""
    energy = functional.avg_pool2d(features**2, min(4, *features.shape[2:])).flatten(2)
    order = energy.sort(2).values
    places = [min(int(share * order.shape[2]), order.shape[2] - 1) for share in SHARES]
    deviation = (features.var((2, 3)) + 1e-8).sqrt()
    return torch.cat([features.mean((2, 3)), deviation, *((order[:, :, p] + 1e-6).log() for p in places)], 1)


def _blockiness(low: torch.Tensor) -> torch.Tensor:
    """[b, 16]: how much steeper some of every eight rows and columns are than their mean, the steepest first.

    JPEG's blocks end at one row in eight; sorting forgets which, so crops need not be aligned.
    """
    maps, grey = [], low.mean(1)
    for lines in (grey, grey.mT):
        bends = (
            (lines[:, :, 3:] - lines[:, :, 2:-1] - lines[:, :, 1:-2] + lines[:, :, :-3]).abs().clamp_max(EDGE).mean(1)
        )
        whole = bends[:, : bends.shape[1] // BLOCK * BLOCK].unflatten(1, (-1, BLOCK)).mean(1) + 1e-5
        maps.append((whole / whole.mean(1, keepdim=True)).log().sort(1, descending=True).values)
    return torch.cat(maps, 1) * BLOCK
