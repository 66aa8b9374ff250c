"""The critic of the detail network: it tells true detail from drawn detail, where it sees the restored picture.

It is shown the highest frequencies alone (pipeline.models.embedded.detail.high_frequencies): of the rest it could tell
the truth at once, and the detail network has no part in that. Strided convolutions with spectral norms (arXiv
1802.05957), judged place by place and against each other, as the relativistic average (arXiv 1807.00734, section 3.4)
with a hinge.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils.parametrizations import spectral_norm

from pipeline.models.embedded.detail import high_frequencies

WIDTHS = ((32, 1), (64, 2), (64, 1), (128, 2), (128, 1), (128, 1))
"""channels and stride of its convolutions"""
LOUD = 8.0
"""what detail is multiplied by, to lie in [-1, 1]"""
SLOPE = 0.2


class Critic(nn.Module):
    """Detail and the restored picture, [b, 3, y, x] each, to a verdict a place, and its features on the way."""

    def __init__(self) -> None:
        super().__init__()
        layers, before = [], 6
        for width, stride in WIDTHS:
            layers.append(spectral_norm(nn.Conv2d(before, width, 3, stride, 1)))
            before = width
        self.layers = nn.ModuleList(layers)
        self.verdict = spectral_norm(nn.Conv2d(before, 1, 3, padding=1))

    def forward(self, pixels: torch.Tensor, restored: torch.Tensor) -> tuple[torch.Tensor, list[torch.Tensor]]:
        features = torch.cat([LOUD * high_frequencies(pixels), restored * 2 - 1], 1)
        seen = []
        for layer in self.layers:
            features = functional.leaky_relu(layer(features.contiguous(memory_format=torch.channels_last)), SLOPE)
            seen.append(features)
        return self.verdict(features), seen


def hinge(better: torch.Tensor, worse: torch.Tensor) -> torch.Tensor:
    """How far verdicts are from having each of ``better`` one above the mean of ``worse``, and each of these one below.

    >>> float(hinge(torch.tensor([3.0, 5.0]), torch.tensor([0.0, 2.0]))), float(hinge(torch.zeros(2), torch.zeros(2)))
    (0.0, 1.0)
    """
    better, worse = better.float(), worse.float()
    above = functional.relu(1 - (better - worse.mean())).mean()
    return (above + functional.relu(1 + (worse - better.mean())).mean()) / 2


def alike(seen: list[torch.Tensor], true: list[torch.Tensor]) -> torch.Tensor:
    """The mean difference of features, over all layers: of ``seen`` from those of the true picture."""
    apart = [(one.float() - other.float()).abs().mean() for one, other in zip(seen, true, strict=True)]
    return torch.stack(apart).mean()
