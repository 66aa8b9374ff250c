"""What is known of a model before a weight is loaded: its latents, what it reads, how it wants to be run, its cost."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from pipeline.models.autoencoder.geometry import CodecGeometry

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
    detail: float = 0.0
    """share of the detail that it draws for its restored picture"""
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
    restorer_scales: tuple[int, ...] = ()
    """what its restoration module restores by, the smallest first; empty for a model without one"""
    detail_halo: int | None = None
    """input pixels round a window that are shown to what draws detail for the restored picture, at ``native_scale``;
    None for a model that draws none"""
    steers: bool = False
    """whether words steer its restoration module: SteeringBackbone"""
    spreads: bool = False
    """whether it knows how far pictures lie from their coarse latents: SpreadingBackbone"""
    tags: bool = False
    """whether it has a tagger of its own: TaggingBackbone"""
    native_scale: int | None = None
    """the scale that the denoiser was trained for; None where any whole number will do"""
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
    def scales(self) -> tuple[int, ...]:
        """What the model enlarges by; () for any whole number."""
        return () if self.native_scale is None else tuple(sorted({self.native_scale, *self.restorer_scales}))

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
