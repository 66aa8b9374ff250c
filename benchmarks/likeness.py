"""Measures of likeness that see what PSNR does not: GMSD, HaarPSI, the spectrum, consistency with the input, and seams.

Images are [3, y, x] (or [1, y, x]) float32 in [0, 1] unless something else is said.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch.nn import functional

YIQ = ((0.299, 0.587, 0.114), (0.5959, -0.2746, -0.3213), (0.2115, -0.5227, 0.3112))
GMSD_C = 170 / 255**2
HAAR_C, HAAR_ALPHA = 30 / 255**2, 4.2
ROUNDING = 1 / 255**2 / 12
"""variance that rounding to 8 bits adds: below it a spectrum says nothing"""
NEAR, FAR = 8, 96
"""a tile border is compared with lines of the same phase between so many pixels from it"""


def psnr(first: torch.Tensor, second: torch.Tensor) -> float:
    """Peak signal-to-noise ratio in dB, at most 120."""
    return -10 * math.log10(max(1e-12, float(((first - second).double() ** 2).mean())))


def gmsd(first: torch.Tensor, second: torch.Tensor) -> float:
    """Gradient magnitude similarity deviation (Xue et al., TIP 2014), of the luminance halved; 0 is best."""
    one, other = (functional.avg_pool2d(_luminance(image), 2) for image in (first, second))
    slope = torch.tensor([[[[1.0, 0.0, -1.0]] * 3]]) / 3

    def magnitude(image: torch.Tensor) -> torch.Tensor:
        x, y = (functional.conv2d(image, kernel, padding=1) for kernel in (slope, slope.mT))
        return (x**2 + y**2).sqrt()

    a, b = magnitude(one), magnitude(other)
    similarity = _similar(a, b, GMSD_C)
    return float(similarity.std(correction=0))


def haarpsi(first: torch.Tensor, second: torch.Tensor) -> float:
    """Haar wavelet perceptual similarity (Reisenhofer et al., SPIC 2018), with colour where there is any; 1 is best."""
    one, other = (functional.avg_pool2d(_yiq(image), 2) for image in (first, second))
    a, b = (_haar(image[:, :1]) for image in (one, other))
    similarities = [
        (_similar(a[0][axis], b[0][axis], HAAR_C) + _similar(a[1][axis], b[1][axis], HAAR_C)) / 2 for axis in (0, 1)
    ]
    weights = [torch.maximum(a[2][axis], b[2][axis]) for axis in (0, 1)]
    if len(first) == 3:
        chroma = [functional.avg_pool2d(_same(image[:, 1:], 2), 2, stride=1).abs() for image in (one, other)]
        similarities.append(_similar(chroma[0], chroma[1], HAAR_C).mean(1, keepdim=True))
        weights.append((weights[0] + weights[1]) / 2)
    total = sum(float((w * torch.sigmoid(HAAR_ALPHA * s)).sum()) for w, s in zip(weights, similarities, strict=True))
    mean = total / max(1e-12, sum(float(w.sum()) for w in weights))
    return (math.log(mean / (1 - mean)) / HAAR_ALPHA) ** 2 if 0 < mean < 1 else 1.0


def spectrum_distance(first: torch.Tensor, second: torch.Tensor) -> float:
    """Mean absolute difference in decibels of the radial power spectra of the luminance, up to the Nyquist frequency.

    Blurring lowers the high frequencies and invented noise raises them; both count. 0 is best.
    """
    return float(np.abs(radial_power(first) - radial_power(second)).mean())


def radial_power(image: torch.Tensor) -> np.ndarray:
    """Power in decibels by whole cycles an image, 1 to half of the shorter side; windowed, with rounding's floor."""
    grey = _luminance(image)[0, 0].double()
    height, width = grey.shape
    window = torch.hann_window(height, periodic=False, dtype=torch.float64)[:, None] * torch.hann_window(
        width, periodic=False, dtype=torch.float64
    )
    power = (torch.fft.fft2((grey - grey.mean()) * window).abs() ** 2 / (window**2).sum()).numpy()
    side = min(height, width)
    radius = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width)) * side
    ring = np.rint(radius).astype(int).ravel()
    sums, counts = np.bincount(ring, power.ravel()), np.bincount(ring)
    rings = slice(1, side // 2 + 1)
    return np.asarray(10 * np.log10(sums[rings] / counts[rings] + ROUNDING))


def consistency(result: torch.Tensor, low: torch.Tensor) -> float:
    """PSNR in dB of the result, averaged down to the input's size, against the input."""
    scale = result.shape[-1] // low.shape[-1]
    return psnr(functional.avg_pool2d(result.clamp(0, 1)[None], scale)[0], low)


def seam_sums(
    image: torch.Tensor, borders_y: Sequence[int], borders_x: Sequence[int], period: int
) -> tuple[float, float]:
    """Mean gradient across every tile border and beside it, added up over the borders; their ratio is the seam score.

    ``borders_y`` (``borders_x``): rows (columns) at which a tile begins or ends. ``period``: pixels after which
    enlarging repeats itself, at least those of a latent pixel, and those of the input's JPEG blocks where it has such;
    only lines of the border's own phase are compared, since some phases are steeper without any tiles. 1 is a picture
    without seams.
    """
    across = beside = 0.0
    for axis, borders in ((-2, borders_y), (-1, borders_x)):
        length = image.shape[axis]
        lines = image.diff(dim=axis).abs().mean(dim=[d for d in range(image.ndim) if d - image.ndim != axis])
        taken = {border - 1 for border in borders}
        for border in borders:
            around = [
                border - 1 + side * away
                for side in (-1, 1)
                for away in range(-(-NEAR // period) * period, FAR + 1, period)
            ]
            around = [line for line in around if 0 <= line < length - 1 and line not in taken]
            if 0 < border < length and around:
                across += float(lines[border - 1])
                beside += float(lines[around].mean())
    return across, beside


def _luminance(image: torch.Tensor) -> torch.Tensor:
    """[1, 1, y, x]"""
    return _yiq(image)[:, :1]


def _yiq(image: torch.Tensor) -> torch.Tensor:
    """[1, 3, y, x], or [1, 1, y, x] of a single band."""
    if len(image) == 1:
        return image[None].float()
    return torch.einsum("ij,jyx->iyx", torch.tensor(YIQ), image.float())[None]


def _haar(grey: torch.Tensor) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Absolute Haar coefficients across rows and across columns at three scales."""
    found = []
    for scale in (1, 2, 3):
        side = 2**scale
        kernel = torch.full((1, 1, side, side), 1 / side)
        kernel[:, :, : side // 2] *= -1
        padded = _same(grey, side)
        found.append((functional.conv2d(padded, kernel).abs(), functional.conv2d(padded, kernel.mT).abs()))
    return found


def _same(image: torch.Tensor, side: int) -> torch.Tensor:
    """Zeros round the image so that an even kernel of ``side`` gives back its size."""
    return functional.pad(image, (side // 2 - 1, side - side // 2) * 2)


def _similar(a: torch.Tensor, b: torch.Tensor, c: float) -> torch.Tensor:
    return (2 * a * b + c) / (a**2 + b**2 + c)
