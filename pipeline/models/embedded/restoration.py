"""The global restoration module: a small convolutional network from low resolution to a first, faithful enlargement.

PatchScaler (arXiv 2405.17158, section 3.2) calls it so: it gives the coarse picture that diffusion starts from, and a
confidence that says where that picture can be trusted. Every layer is local, so windows agree inside their halo.
"""

from __future__ import annotations

import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from torch import nn
from torch.nn import functional


class RestorationModule(ModelMixin, ConfigMixin):
    """Residual blocks at the input's resolution, then pixel shuffling by a scale, added to a bicubic enlargement.

    One body serves all scales; each has a last convolution of its own, as in MDSR (arXiv 1707.02921, section 3.3).
    """

    config_name: str = "config.json"  # type: ignore[assignment]

    @register_to_config
    def __init__(
        self,
        width: int = 64,
        num_blocks: int = 8,
        scale: int = 4,
        phrases: tuple[str, ...] = (),
        scales: tuple[int, ...] = (),
    ) -> None:
        """``scales``: all that it restores by, ``scale`` the largest of them; none: ``scale`` and no other."""
        super().__init__()
        if scales and max(scales) != scale:
            raise ValueError(f"scales: expected {scale}, the module's own scale, as the largest, got {list(scales)}")
        self.conv_in = nn.Conv2d(3, width, 3, padding=1)
        self.blocks = nn.ModuleList([ResidualBlock(width) for _ in range(num_blocks)])
        self.conv_mid = nn.Conv2d(width, width, 3, padding=1)
        self.conv_out = _last(width, scale)
        self.confidence = nn.Sequential(
            nn.Conv2d(width, width // 2, 3, padding=1), nn.SiLU(), nn.Conv2d(width // 2, 1, 3, padding=1)
        )
        others = sorted(set(scales) - {scale})
        self.others = nn.ModuleDict({str(other): _last(width, other) for other in others})
        self.steer = nn.Conv2d(len(phrases), 2 * width * num_blocks, 1, bias=False) if phrases else None
        if self.steer is not None:
            nn.init.zeros_(self.steer.weight)

    @property
    def halo(self) -> int:
        """Input pixels round a window that can change what is restored in it: convolutions, then bicubic's reach."""
        return 2 * len(self.blocks) + 4

    @property
    def scales(self) -> tuple[int, ...]:
        """All that it restores by, the smallest first."""
        return (*(int(other) for other in self.others), self.config["scale"])

    def forward(
        self, low: torch.Tensor, words: torch.Tensor | None = None, scale: int | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """low [b, 3, y, x] in [0, 1] -> restored [b, 3, y * scale, x * scale] and confidence [b, 1, y, x] in (0, 1).

        words [b, phrases, y, x] (or 1, 1 for the whole window): how far each of the phrases holds, 0 to 1; none say
        nothing. ``scale``: one of ``scales``, the largest where None; the confidence is that of the largest at any.

        Raises ValueError where the module does not restore by ``scale``.
        """
        scale = self.config["scale"] if scale is None else scale
        if scale not in self.scales:
            raise ValueError(
                f"scale: this restoration module restores by {', '.join(map(str, self.scales))}, not by {scale}; ask "
                "for one of these and resample the input or the result"
            )
        last = self.conv_out if scale == self.config["scale"] else self.others[str(scale)]
        first = self.conv_in(low * 2 - 1)
        features = first
        for number, block in enumerate(self.blocks):
            features = block(features, self._steering(words, number))
        features = self.conv_mid(features) + first
        detail = functional.pixel_shuffle(last(features), scale)
        # half precision would round the enlargement itself to steps of 1/256
        plain = low.float()
        if scale > 1:
            plain = functional.interpolate(plain, scale_factor=scale, mode="bicubic", align_corners=False)
        return plain + detail.float(), torch.sigmoid(self.confidence(features).float())

    def _steering(self, words: torch.Tensor | None, number: int) -> torch.Tensor | None:
        """One block's gains and offsets: those of all blocks at once would be larger than everything else."""
        if self.steer is None or words is None:
            return None
        return functional.conv2d(words, self.steer.weight.chunk(len(self.blocks))[number])


def _last(width: int, scale: int) -> nn.Conv2d:
    """From features to the pixels of one scale; it begins near nothing."""
    layer = nn.Conv2d(width, 3 * scale**2, 3, padding=1)
    with torch.no_grad():
        layer.weight.mul_(0.1)
        layer.bias = nn.Parameter(torch.zeros(3 * scale**2))
    return layer


class ResidualBlock(nn.Module):
    """Two convolutions with an activation between them, added to the input; no norm, as in EDSR (arXiv 1707.02921)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width, width, 3, padding=1)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1)
        with torch.no_grad():
            self.conv2.weight.mul_(0.1)

    def forward(self, features: torch.Tensor, steering: torch.Tensor | None = None) -> torch.Tensor:
        """steering [b, 2 width, y, x] or [b, 2 width, 1, 1]: gain and offset of features (FiLM, 1709.07871)."""
        inner = self.conv1(features)
        if steering is not None:
            gain, offset = steering.chunk(2, 1)
            inner = inner * (1 + gain) + offset
        return features + self.conv2(functional.silu(inner))
