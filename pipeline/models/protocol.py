"""The one protocol between the engine and any model. Nothing in the engine asks which model it is.

Shape legend: B batch, C latent channels, h w latent pixels, H W output pixels (H = h * factor), T tokens, D text width.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch

from pipeline.models.autoencoder.group_norm import GroupNorms
from pipeline.models.card import LatentGeometry
from pipeline.prompts.places import PromptPlaces


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbourhood:
    """How far self-attention reaches on a canvas larger than the native window: neighbourhood patch attention
    (ScaleDiff, arXiv 2510.25818, section 3.2)."""

    window: int
    """latent pixels a side of what a place attends to"""
    key: tuple[int, ...] | None = None
    """seed, stage and step of the offsets by which every layer shifts its blocks; None shifts none"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditioning:
    """What one batch of tiles is conditioned on; None where the model does not read it."""

    coarse: torch.Tensor | None = None
    """[B, C, h, w]: the enlarged input's latent under each tile"""
    text: torch.Tensor | None = None
    """[B, T, D]: prompt embeddings"""
    pooled: torch.Tensor | None = None
    """[B, D']: pooled prompt embeddings, for models that read them"""
    image: torch.Tensor | None = None
    """[B, K, D]: embeddings of K image prompts, [B, K, T, D] where the model reads T tokens of each; zeros are no
    image, and None leaves the model as it is without its adapter"""
    crops: torch.Tensor | None = None
    """[B, 6]: which crop of which picture each tile is, in output pixels (pipeline.tasks.micro_conditioning); None: a
    picture of its own"""
    guidance: float | None = None
    """the weight of guidance, for models that have it embedded"""
    structure: dict[str, torch.Tensor] | None = None
    """what ControlNets are shown: ``image [B, 3, H, W]``, the enlarged input, in [0, 1], ``edges [B, 1, H, W]``, 0 or 1
    or between them and a little beyond where they were enlarged, or both"""
    step: tuple[int, int] | None = None
    """which step it is, from 0, and of how many: ControlNets may act at some of them; None: at all"""
    neighbourhood: Neighbourhood | None = None
    """None: every place attends to the whole canvas"""
    places: tuple[PromptPlaces, ...] | None = None
    """of each of the batch, the prompts that cross-attention reads, each at its own places, in place of ``text``"""


class Backbone(Protocol):
    """A model replica on one device. All tensors cross the border as float32 on the CPU."""

    @property
    def geometry(self) -> LatentGeometry: ...

    def predict(self, latents: torch.Tensor, timestep: torch.Tensor, conditioning: Conditioning) -> torch.Tensor:
        """The model's own prediction (noise, velocity or sample) ``[B, C, h, w]`` for noisy latents of that shape."""
        ...

    def encode(self, pixels: torch.Tensor) -> torch.Tensor:
        """Latents ``[B, C, h, w]`` of pixels ``[B, 3, H, W]`` in [0, 1]; the mode of the posterior, never a sample."""
        ...

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """Pixels ``[B, 3, H, W]``, about [0, 1] and not clipped, of latents ``[B, C, h, w]``."""
        ...

    def embed(self, prompts: list[str]) -> dict[str, torch.Tensor]:
        """Embeddings by the names of Conditioning's fields, first axis the prompt; empty without a text encoder."""
        ...


@runtime_checkable
class LookingBackbone(Backbone, Protocol):
    """A backbone that images can prompt."""

    def look(self, pixels: torch.Tensor) -> torch.Tensor:
        """Embeddings ``[B, D]``, or ``[B, T, D]``, of pixels ``[B, 3, H, W]`` in [0, 1]; see Conditioning.image."""
        ...


@runtime_checkable
class RestoringBackbone(Backbone, Protocol):
    """A backbone with a restoration module; see LatentGeometry.restores."""

    def restore(
        self,
        low: torch.Tensor,
        words: torch.Tensor | None = None,
        scale: int | None = None,
        detail: float = 0.0,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Input ``[B, 3, y, x]`` in [0, 1] -> a first enlargement ``[B, 3, y * scale, x * scale]``, not clipped, and
        the confidence in it ``[B, 1, y, x]`` in (0, 1).

        ``words [B, phrases, y, x]``: how far each phrase that steers the module holds there, 0 to 1; none say nothing.
        ``scale``: one of LatentGeometry.restorer_scales, the largest where None; 1 restores at the input's own size.
        ``detail``: share, 0 to 1, of the sharp detail that is drawn for it; more than 0 at LatentGeometry.native_scale
        alone, and where the model draws any (LatentGeometry.detail_halo).
        """
        ...


@runtime_checkable
class SpreadingBackbone(Backbone, Protocol):
    """A backbone that knows how far pictures lie from their coarse latents; see LatentGeometry.spreads."""

    def spread(self, coarse: torch.Tensor) -> torch.Tensor:
        """The deviation of true latents round coarse ones, of the shape of ``coarse [B, C, h, w]``: how much is still
        to be invented at each place."""
        ...


@runtime_checkable
class SteeringBackbone(RestoringBackbone, Protocol):
    """A backbone whose restoration module words steer; see LatentGeometry.steers."""

    def steering(self, prompts: list[dict[str, float]]) -> torch.Tensor:
        """[prompts, phrases]: how sure each prompt's phrases are, of those that steer the restoration module."""
        ...


@runtime_checkable
class TaggingBackbone(Backbone, Protocol):
    """A backbone with a tagger of its own; see LatentGeometry.tags."""

    def tag(self, low: torch.Tensor) -> list[list[tuple[str, float]]]:
        """Phrases that hold for each of ``low [B, 3, y, x]``, with their probabilities, the surest first."""
        ...


@runtime_checkable
class NormalisingBackbone(Backbone, Protocol):
    """A backbone whose autoencoder has group norms."""

    @property
    def norms(self) -> dict[str, GroupNorms]:
        """Of its ``encoder`` and its ``decoder``."""
        ...


@runtime_checkable
class ReadingBackbone(Backbone, Protocol):
    """A backbone whose attention to the words of a prompt can be recorded; see Inputs.word_cell."""

    def recording(self, maps: WordMaps) -> AbstractContextManager[None]:
        """Within it, one call of predict leaves its maps in ``maps``; its answer is the same to the bit."""
        ...


class WordMaps:
    """What is recorded of one forward pass."""

    def __init__(self) -> None:
        self._sum: torch.Tensor | None = None
        self._layers = 0

    def add(self, attention: torch.Tensor) -> None:
        """One layer's attention [B, T, h_l, w_l]; layers run in one order, so the sum is always the same."""
        self._sum = attention if self._sum is None else self._sum + attention
        self._layers += 1

    def mean(self) -> torch.Tensor:
        """[B, T, h_l, w_l] float32: attention of each position to each token, mean over heads and layers.

        The tokens of a position sum to one.
        """
        assert self._sum is not None, "no layer was run"
        return self._sum / self._layers


UNGUIDED = (0.0, 1.0)
"""weights that mean no guidance: the formula's own, and what the cards of Turbo and Lightning say (diffusers runs the
prompt alone for anything up to 1)"""


def num_branches(geometry: LatentGeometry, guidance: float) -> int:
    """Passes of the denoiser that one guided prediction takes."""
    return 1 if guidance in UNGUIDED or geometry.inputs.embeds_guidance else 2
