"""The detail network: what a sharp picture has beyond the restored one, at frequencies that the input cannot hold.

The restoration module is faithful and so as soft as what can be known. The detail network draws a sharp picture of the
same input; of it the highest frequencies alone are taken, and they stay within what the input's neighbourhood allows.
So edges are crisp without overshoot, colours and large shapes are the restoration module's, and ``share`` chooses a
place on the plane of perception and distortion (arXiv 1711.06077). Its blocks are ESRGAN's (arXiv 1809.00219, section
3.1); training/train_detail.py says where its weights come from.
"""

from __future__ import annotations

import math

import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from torch import nn
from torch.nn import functional

DETAIL = "detail"
"""its folder in the model, which a model may lack"""
SIGMA = 0.7
"""output pixels: what a Gaussian of this deviation takes away of a picture is detail"""
SLOPE, SHARE = 0.2, 0.2
"""of the leaky rectifiers, and of what a block adds"""
SIDE = 5
"""input pixels a side of the neighbourhood whose values bound a pixel's"""
FLOOR, TEXTURE = 0.002, 0.5
"""how far beyond these it may go: everywhere, and times the contrast of what varies in both directions"""
DENSE, DENSES = 5, 3
"""convolutions of a dense block, and dense blocks of a block"""
BAND, AROUND = 32, 2
"""input rows that are enlarged at once, and those on each side that their output depends on: at the output's size all
features of a window would take more memory than everything else"""


class DetailNetwork(ModelMixin, ConfigMixin):
    """Residual-in-residual dense blocks at the input's resolution, then two doublings."""

    config_name: str = "config.json"  # type: ignore[assignment]

    @register_to_config
    def __init__(
        self, width: int = 64, growth: int = 32, num_blocks: int = 4, halo: int = 32, gain: float = 1.0
    ) -> None:
        """``halo``: input pixels round a window beyond which nothing that can be seen depends on; measured.

        ``gain``: of its detail where a whole share is asked for.
        """
        super().__init__()
        self.conv_in = _conv(3, width)
        self.blocks = nn.ModuleList([DenseBlock(width, growth) for _ in range(num_blocks * DENSES)])
        self.conv_mid = _conv(width, width)
        self.ups = nn.ModuleList([_conv(width, width) for _ in range(2)])
        self.conv_last = _conv(width, width)
        self.conv_out = _conv(width, 3)

    @property
    def halo(self) -> int:
        """Input pixels round a window that are shown with it."""
        return int(self.config["halo"])

    def forward(self, low: torch.Tensor) -> torch.Tensor:
        """low [b, 3, y, x] in [0, 1] -> a sharp picture [b, 3, 4 y, 4 x], float32."""
        first = features = self.conv_in(low)
        for at in range(0, len(self.blocks), DENSES):
            grown = features
            for block in self.blocks[at : at + DENSES]:
                grown = block(grown)
            features = features + SHARE * grown
        return self._enlarged(first + self.conv_mid(features)).float()

    def _enlarged(self, features: torch.Tensor) -> torch.Tensor:
        """The picture that features at the input's resolution become, band by band."""
        height, bands = features.shape[2], []
        for top in range(0, height, BAND):
            bottom, above = min(top + BAND, height), min(top, AROUND)
            band = features[:, :, top - above : bottom + AROUND]
            for up in self.ups:
                band = _sharply(up(functional.interpolate(band, scale_factor=2, mode="nearest")))
            drawn = self.conv_out(_sharply(self.conv_last(band)))
            scale = 2 ** len(self.ups)
            bands.append(drawn[:, :, scale * above : scale * (above + bottom - top)])
        return torch.cat(bands, 2)

    def sharpen(self, restored: torch.Tensor, low: torch.Tensor, share: float = 1.0) -> torch.Tensor:
        """``restored [b, 3, 4 y, 4 x]`` with ``share`` (0 to 1) of the detail for ``low [b, 3, y, x]``, float32."""
        plain = restored.float()
        return plain + share * (add_detail(plain, self(low), low.float(), self.config["gain"]) - plain)


class DenseBlock(nn.Module):
    """Each convolution reads all that came before it; the last one's answer is added to the input."""

    def __init__(self, width: int, growth: int) -> None:
        super().__init__()
        grown = [_conv(width + number * growth, growth) for number in range(DENSE - 1)]
        self.convs = nn.ModuleList([*grown, _conv(width + (DENSE - 1) * growth, width)])

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        known = [features]
        for conv in self.convs[:-1]:
            known.append(_sharply(conv(torch.cat(known, 1))))
        added: torch.Tensor = self.convs[-1](torch.cat(known, 1))
        return features + SHARE * added


def add_detail(restored: torch.Tensor, sharp: torch.Tensor, low: torch.Tensor, gain: float) -> torch.Tensor:
    """[b, c, y, x]: the highest frequencies move ``gain`` of the way from the restored to the sharp picture, in bounds.

    >>> low, restored = torch.full((1, 3, 8, 8), 0.5), torch.full((1, 3, 32, 32), 0.5)
    >>> bool((add_detail(restored, restored + 0.1, low, 1.0) - restored).abs().max() < 1e-6)  # another colour is none
    True
    """
    least, most = bounds(low, restored.shape[-1] // low.shape[-1])
    return (restored + gain * high_frequencies(sharp - restored)).clamp(least, most)


def high_frequencies(pixels: torch.Tensor) -> torch.Tensor:
    """What a Gaussian of SIGMA takes away, [b, c, y, x]; borders are repeated."""
    return pixels - _gaussian(pixels, SIGMA)


def bounds(low: torch.Tensor, scale: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The least and the most that each pixel may be, two of [b, c, y * scale, x * scale].

    The extremes of the input's neighbourhood, and beyond them a share of the contrast of what varies in both
    directions: texture, of which an edge has none. It is the square root of the structure tensor's smaller eigenvalue.
    """
    padded = functional.pad(low, (SIDE // 2,) * 4, mode="replicate")
    beyond = FLOOR + TEXTURE * texture_contrast(low)
    most = functional.max_pool2d(padded, SIDE, 1) + beyond
    least = -functional.max_pool2d(-padded, SIDE, 1) - beyond
    enlarged = (functional.interpolate(one, scale_factor=scale, mode="bilinear") for one in (least, most))
    return next(enlarged), next(enlarged)


def texture_contrast(low: torch.Tensor) -> torch.Tensor:
    """[b, 1, y, x]: how much brightness changes from pixel to pixel along the direction in which it changes least.

    >>> edge = (torch.arange(12) > 5).float().expand(1, 3, 12, 12)
    >>> float(texture_contrast(edge).max()) < 1e-3 < float(texture_contrast(torch.rand(1, 3, 12, 12)).mean())
    True
    """
    padded = functional.pad(low.mean(1, keepdim=True), (1,) * 4, mode="replicate")
    x = (padded[..., 1:-1, 2:] - padded[..., 1:-1, :-2]) / 2
    y = (padded[..., 2:, 1:-1] - padded[..., :-2, 1:-1]) / 2
    xx, xy, yy = (_gaussian(product, 1.0) for product in (x * x, x * y, y * y))
    apart = (((xx - yy) / 2) ** 2 + xy**2).sqrt()
    return ((xx + yy) / 2 - apart).clamp_min(0).sqrt()


def _gaussian(pixels: torch.Tensor, sigma: float) -> torch.Tensor:
    reach, channels = math.ceil(3 * sigma), pixels.shape[1]
    kernel = torch.exp(-0.5 * (torch.arange(-reach, reach + 1, device=pixels.device) / sigma) ** 2)
    rows = (kernel / kernel.sum()).to(pixels.dtype).view(1, 1, 1, -1).expand(channels, 1, 1, -1)
    padded = functional.pad(pixels, (reach,) * 4, mode="replicate")
    across = functional.conv2d(padded, rows, groups=channels)
    return functional.conv2d(across, rows.transpose(2, 3), groups=channels)


def _conv(inputs: int, outputs: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, padding=1)


def _sharply(features: torch.Tensor) -> torch.Tensor:
    return functional.leaky_relu(features, SLOPE)
