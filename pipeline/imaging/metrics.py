"""Measures of likeness without weights: PSNR and SSIM (scikit-image), MS-SSIM and VIF (torchmetrics)."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
import torch
from skimage.metrics import structural_similarity
from torchmetrics.functional.image import (
    multiscale_structural_similarity_index_measure as multiscale_ssim,
)
from torchmetrics.functional.image import visual_information_fidelity

LEAST_SIDE = {"ssim": 7, "ms_ssim": 176, "vif": 41}
"""pixels a side below which a measure is not defined"""


@dataclass(slots=True, kw_only=True)
class Comparison:
    """Adds up figures over windows of two images."""

    peak: float
    """the largest value of the number format"""
    squares: float = 0.0
    count: int = 0
    sums: dict[str, float] = field(default_factory=dict)
    areas: dict[str, int] = field(default_factory=dict)

    def add(self, first: np.ndarray, second: np.ndarray) -> None:
        """One window of both: [bands, y, x], the second the reference."""
        difference = first.astype(np.float64) - second.astype(np.float64)
        self.squares += float((difference**2).sum())
        self.count += difference.size
        height, width = first.shape[1:]
        for name, least in LEAST_SIDE.items():
            if min(height, width) >= least:
                value = MEASURES[name](first, second, self.peak)
                self.sums[name] = self.sums.get(name, 0.0) + value * height * width
                self.areas[name] = self.areas.get(name, 0) + height * width

    def figures(self) -> dict[str, float | None]:
        """Figures by name; None for a measure that no window was large enough for. Equal images have infinite PSNR."""
        mean = self.squares / max(1, self.count)
        psnr = math.inf if mean == 0 else 10 * math.log10(self.peak**2 / mean)
        means = {name: self.sums[name] / self.areas[name] if name in self.sums else None for name in LEAST_SIDE}
        return {"psnr": psnr, **means}


def ssim(first: np.ndarray, second: np.ndarray, peak: float) -> float:
    """Mean SSIM (Wang et al. 2004) of [bands, y, x]."""
    return float(structural_similarity(first, second, data_range=peak, channel_axis=0))


def ms_ssim(first: np.ndarray, second: np.ndarray, peak: float) -> float:
    """Multi-scale SSIM (Wang et al. 2003) of [bands, y, x]."""
    return float(multiscale_ssim(_batch(first), _batch(second), data_range=peak))


def vif(first: np.ndarray, second: np.ndarray, peak: float) -> float:
    """Pixel-domain visual information fidelity (Sheikh and Bovik 2006) of [bands, y, x], on a 0 to 255 scale."""
    return float(visual_information_fidelity(_batch(first) * (255 / peak), _batch(second) * (255 / peak)))


MEASURES = {"ssim": ssim, "ms_ssim": ms_ssim, "vif": vif}


def _batch(image: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(image.astype(np.float32))[None]
