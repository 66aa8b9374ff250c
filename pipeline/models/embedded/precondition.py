"""The embedded model's parameterization: what a Gaussian round the coarse latent already knows, the network need not.

Take each latent channel of the clean picture as Gaussian round the coarse latent c with deviation s. With
x_t = alpha x_0 + sigma noise and alpha^2 + sigma^2 = 1, the expected velocity v = alpha noise - sigma x_0 is linear:

    v_linear = sigma (alpha (1 - s^2) x_t - c) / m^2,    m^2 = alpha^2 s^2 + sigma^2

and what is left has the deviation s / m at every time. The network sees (x_t - alpha c) / m beside c and gives what is
left in units of s / m, so an untrained one that answers zero returns the coarse latent. It is the preconditioning of
EDM (arXiv 2206.00364, section 5) with a prior of its own mean and deviation. Without a coarse latent (c = 0, s = 1)
it is plain v-prediction.

The deviation is local: where the coarse latent is even, so was the picture, and little is left to invent. It is read
off the coarse latent's own unevenness, by a table that training fits (local_spread).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch.nn import functional


@dataclass(frozen=True, slots=True)
class Preconditioned:
    """What the network sees and how its answer becomes a velocity; all [b, c, y, x] float32."""

    inputs: torch.Tensor
    """[b, 2 c, y, x]: the scaled deviation from the coarse latent beside the coarse latent"""
    linear: torch.Tensor
    """the velocity that the Gaussian expects"""
    unit: torch.Tensor
    """deviation of what is left, broadcastable"""

    def velocity(self, answer: torch.Tensor) -> torch.Tensor:
        return self.linear + self.unit * answer

    def answer(self, velocity: torch.Tensor) -> torch.Tensor:
        """The inverse of ``velocity``: what the network should say."""
        return (velocity - self.linear) / self.unit


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What a velocity is of; latents and coarse [b, c, y, x], alpha^2 of each picture's timestep [b]."""

    latents: torch.Tensor
    coarse: torch.Tensor
    alphas_cumprod: torch.Tensor


SIDES = (3, 9)
"""latent pixels a side over which unevenness is measured"""
FLOOR = 1e-3
"""variance below which a latent is even"""
LEAST, MOST = 0.01, 2.0
"""bounds of the deviation, in units of the latents' own; beside a strong edge all is uneven, and specks were invented
there when more was let through"""


def unevenness(coarse: torch.Tensor) -> torch.Tensor:
    """coarse [b, c, y, x] -> [b, 3, y, x]: one, and the logarithms of the local variance over SIDES, all channels."""
    maps = [torch.ones_like(coarse[:, :1])]
    for side in SIDES:
        variance = _box((coarse - _box(coarse, side)) ** 2, side).mean(1, keepdim=True)
        maps.append((variance + FLOOR).log())
    return torch.cat(maps, 1)


def local_spread(coarse: torch.Tensor, table: torch.Tensor) -> torch.Tensor:
    """The deviation s of the picture round the coarse latent, [b, c, y, x].

    ``table`` [c, 3]: weights of ``unevenness`` for the logarithm of each channel's variance.
    """
    return (0.5 * torch.einsum("ck,bkyx->bcyx", table, unevenness(coarse))).exp().clamp(LEAST, MOST)


def keep_means(velocity: torch.Tensor, known: Known, means: torch.Tensor) -> torch.Tensor:
    """A velocity whose clean picture has the block means of the coarse one: what the input holds is not invented anew.

    ``means`` [k, c]: the means over a latent pixel's block of output pixels, as a linear function of its latent. The
    clean picture x_0 = alpha x_t - sigma v moves by the least change in latents (DDNM, arXiv 2212.00490, equation 13).

    >>> x, c, v = torch.randn(3, 1, 4, 2, 2)
    >>> known = Known(latents=x, coarse=c, alphas_cumprod=torch.tensor([0.36]))
    >>> kept = 0.6 * x - 0.8 * keep_means(v, known, torch.eye(1, 4))
    >>> torch.allclose(kept[:, :1], c[:, :1], atol=1e-5), torch.allclose(kept[:, 1:], (0.6 * x - 0.8 * v)[:, 1:])
    (True, True)
    """
    squared = known.alphas_cumprod.view(-1, 1, 1, 1)
    alpha, sigma = squared.sqrt(), (1 - squared).sqrt()
    changed = alpha * known.latents - sigma * velocity - known.coarse
    back = torch.linalg.pinv(means) @ means
    return velocity + torch.einsum("ij,bjyx->biyx", back, changed) / sigma


def _box(values: torch.Tensor, side: int) -> torch.Tensor:
    return functional.avg_pool2d(values, side, stride=1, padding=side // 2, count_include_pad=False)


def precondition(
    latents: torch.Tensor, coarse: torch.Tensor, spread: torch.Tensor, alphas_cumprod: torch.Tensor
) -> Preconditioned:
    """latents, coarse [b, c, y, x]; spread: s, broadcastable; alphas_cumprod: alpha^2 of each picture's timestep, [b].

    >>> x, c = torch.randn(2, 1, 4, 4), torch.randn(2, 1, 4, 4)
    >>> blind = precondition(x, torch.zeros_like(c), torch.ones(1, 1, 1, 1), torch.tensor([0.0, 0.5]))
    >>> torch.equal(blind.velocity(x), x) and torch.equal(blind.inputs[:, :1], x)
    True
    """
    squared = alphas_cumprod.view(-1, 1, 1, 1)
    alpha, sigma = squared.sqrt(), (1 - squared).sqrt()
    variance = squared * spread**2 + sigma**2
    deviation = variance.sqrt()
    linear = sigma * (alpha * (1 - spread**2) * latents - coarse) / variance
    return Preconditioned(torch.cat([(latents - alpha * coarse) / deviation, coarse], 1), linear, spread / deviation)
