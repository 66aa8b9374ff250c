"""Structure images for ControlNets: canny edges of a picture."""

from __future__ import annotations

import torch
from skimage.feature import canny

SIGMA = 1.4
LOW, HIGH = 0.04, 0.1
"""hysteresis thresholds of the gradient, for values in [0, 1]"""


def canny_edges(pixels: torch.Tensor) -> torch.Tensor:
    """pixels [3, y, x] in [0, 1] -> edges [1, y, x], 0 or 1, of the colours' mean (Canny 1986, by scikit-image)."""
    grey = pixels.mean(0).double().cpu().numpy()
    edges = canny(grey, sigma=SIGMA, low_threshold=LOW, high_threshold=HIGH)
    return torch.from_numpy(edges)[None].to(pixels.dtype)
