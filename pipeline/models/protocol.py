"""The one protocol between the engine and any model. Nothing in the engine asks which model it is.

Shape legend: B batch, C latent channels, h w latent pixels, H W output pixels (H = h * factor), T tokens, D text width.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import torch

from pipeline.models.autoencoder.geometry import CodecGeometry
from pipeline.models.autoencoder.group_norm import GroupNorms
from pipeline.prompts.places import PromptPlaces

LIVE_FEATURES = 32
"""feature maps of the denoiser's width alive at once at the latent's resolution: of the embedded model 26 and of FLUX's
shape 30 were measured, on one native window and on 2 x 2 of them with neighbourhood attention"""
LIVE_FEATURES_UNET = 52
"""the same of Stable Diffusion's shape, which attends at the full resolution: 50 were measured, 43 of SDXL's"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Defaults:
    """How a model wants to be run where a recipe leaves it open."""

    overlap: int
    """latent pixels that neighbouring tiles share"""
    steps: int
    """number of sampler steps"""
    guidance: float
    """weight of classifier-free guidance"""
    batch: int
    """tiles in one forward pass"""
    dtype: str
    """number format of weights and activations"""
    structure: str = "none"
    """what its ControlNets are shown: ``none``, ``image``, ``edges`` or ``both``"""
    text_steps: int | None = None
    """number of steps for a picture from words alone, where it is another"""
    text_guidance: float | None = None
    """weight of guidance for it, likewise"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What running a model is priced by."""

    width: int
    """feature channels of the denoiser at the latent's own resolution: what its activations are priced by"""
    live_features: int = LIVE_FEATURES_UNET
    """maps of so many channels that are alive at once there"""
    parameters: int = 0
    """number of weights, all parts together"""
    encoder_measuring: float = 0.0
    """runs of the encoder that measuring its norms one after another costs"""
    decoder_measuring: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """What a denoiser reads beside latents and the time."""

    coarse: bool = False
    """the coarse latent: the enlarged input, encoded"""
    text_tokens: int | None = None
    """tokens of a prompt; None for a model that reads no text"""
    zero_negative: bool = False
    """whether guidance without a negative prompt moves away from zeros (SDXL), not from the embedding of no words"""
    embeds_guidance: bool = False
    """whether the weight of guidance is one of them, as in latent consistency models: one branch does"""
    crops: bool = False
    """which crop of which picture a tile is (SDXL's micro-conditioning)"""
    image_width: int | None = None
    """width of the embedding of an image prompt; None for a model that reads no images"""
    structures: tuple[str, ...] = ()
    """what its ControlNets read, each of ``image`` and ``edges`` at most once; empty for a model without one"""
    word_cell: int | None = None
    """latent pixels a side of one position of its maps of attention to words; None for a model without cross-attention
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class LatentGeometry:
    """What a model's latents look like, and what it can do with them."""

    channels: int
    """latent channels"""
    factor: int
    """output pixels along each axis of one latent pixel"""
    window: int
    """latent pixels a side that the backbone sees at its native size"""
    multiple: int
    """sides of a tile in latent pixels are multiples of this"""
    codec: CodecGeometry
    cost: Cost
    inputs: Inputs = Inputs()
    restorer_halo: int | None = None
    """input pixels round a window that its restoration module can see; None for a model without one"""
    steers: bool = False
    """whether words steer its restoration module: SteeringBackbone"""
    spreads: bool = False
    """whether it knows how far pictures lie from their coarse latents: SpreadingBackbone"""
    tags: bool = False
    """whether it has a tagger of its own: TaggingBackbone"""
    native_scale: int | None = None
    """the one scale the model was trained to enlarge by; None where any whole number will do"""
    is_channels_last: bool = False
    """whether its networks always lie in memory by pixels, whatever a recipe asks for"""
    patch: int | None = None
    """latent pixels a side of one token of its transformer; None for a U-Net"""
    even_levels: bool = False
    """how its noise levels lie, for a flow-matching model: see pipeline.sampling.levels.FlowLevels"""
    largest_window: int | None = None
    """latent pixels a side that its table of positions covers; None for a model without one"""
    attends_nearby: bool = False
    """whether its self-attention can be kept to a neighbourhood, and each place be prompted by its own prompts"""

    @property
    def restores(self) -> bool:
        """Whether it has a restoration module: RestoringBackbone."""
        return self.restorer_halo is not None

    @property
    def looks(self) -> bool:
        """Whether images can prompt it: LookingBackbone."""
        return self.inputs.image_width is not None

    @property
    def reads_text(self) -> bool:
        """Whether words can prompt it."""
        return self.inputs.text_tokens is not None

    @property
    def tells_words(self) -> bool:
        """Whether its attention to the words of a prompt can be recorded: ReadingBackbone."""
        return self.inputs.word_cell is not None

    def canvas_side(self, pixels: int) -> int:
        """Latent pixels along an axis of the canvas that holds so many pixels of the output."""
        latents = -(-pixels // self.factor)
        return -(-latents // self.multiple) * self.multiple


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCard:
    """All that a plan must know of a model, read from its configs without loading a weight."""

    name: str
    """what the user asked for: embedded, analytic, a folder or a hub id"""
    family: str
    """which adapter loads it"""
    location: str
    """folder that holds the parts, on this machine"""
    geometry: LatentGeometry
    defaults: Defaults
    scheduler: dict[str, Any]
    """the scheduler's config, as in scheduler/scheduler_config.json"""
    fingerprint: str
    """sha256 over every config, tokenizer and weight file, by relative name"""
    vocabulary: tuple[str, ...] | None = None
    """every word that prompts may use; None where any will do"""
    checkpoint: str | None = None
    """the single file that holds all weights, where ``location`` holds the configs alone"""
    file: Any = None
    """the files.model_file.ModelFile of what is attached to it; None for a plain model"""
    degradations: tuple[str, ...] = ()
    """phrases of its own tagger that speak of damage"""
    few_steps: Any = None
    """the files.few_steps.FewSteps that it was recognised as; None for a model of many steps"""
    sight: str | None = None
    """sha256 over what looks at image prompts; None for a model that reads no images, or reads many tokens of each"""
    dropped: tuple[str, ...] = ()
    """what of its files nobody reads, a line each; only where the user let it pass"""
    packages: dict[str, str] = field(default_factory=dict)
    """the package that its family comes from, with its version; empty where that is gigatile"""

    @property
    def strict(self) -> bool:
        """Whether every weight and setting of its files is read."""
        return not self.dropped


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

    def restore(self, low: torch.Tensor, words: torch.Tensor | None = None) -> tuple[torch.Tensor, torch.Tensor]:
        """Input ``[B, 3, y, x]`` in [0, 1] -> a first enlargement ``[B, 3, y * scale, x * scale]``, not clipped, and
        the confidence in it ``[B, 1, y, x]`` in (0, 1).

        ``words [B, phrases, y, x]``: how far each phrase that steers the module holds there, 0 to 1; none say nothing.
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

    def steering(self, said: list[dict[str, float]]) -> torch.Tensor:
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


@dataclass(frozen=True, slots=True, kw_only=True)
class AttentionCard:
    """What a plan must know of a vision transformer."""

    side: int
    """input pixels a side of its window"""
    patch: int
    """input pixels a side of a patch"""
    fingerprint: str
    """sha256 over its config and weights"""
    dropped: tuple[str, ...] = ()
    """what of its files nobody reads, a line each; only where the user let it pass"""
