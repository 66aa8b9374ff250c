"""What a recipe says of the model: how its networks run, what it is shown, and how pixels become latents and back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from pipeline.settings import WITHOUT, Section, setting, where

if TYPE_CHECKING:
    from .attention.kernels import Options


@dataclass(frozen=True, slots=True, kw_only=True)
class Model(Section):
    """[model]: how the model is read and its networks are run."""

    section: ClassVar[str] = "model"
    strict: bool = setting(
        True,
        """whether weights and settings of a model that nobody reads are refused; if not they are dropped with a
        warning, and the plan records them""",
    )
    dtype: str | None = setting(
        None,
        "number format of the model's weights and activations; latents and sums are float32 always",
        choices=("float32", "bfloat16", "float16"),
    )
    batch: int | None = setting(
        None,
        "tiles in one forward pass; short batches are padded, so results never depend on how many were left",
        least=1,
    )
    attention: str = setting(
        "auto",
        "torch's kernel for attention",
        choices=("auto", "math", "flash", "efficient", "cudnn"),
        requires="a GPU for ``efficient`` and ``cudnn``",
    )
    channels_last: bool = setting(
        False, "convolutions with their channels last in memory; the embedded model's always are"
    )
    compile: bool = setting(
        False,
        "torch.compile for the denoiser: minutes once for each worker, then faster steps",
        excludes=(where("tiles.attend", "neighbourhood", why="attention is cut into blocks as it runs"),),
        requires="a C++ compiler on a CPU",
    )

    @property
    def options(self) -> Options:
        """How the denoiser is run."""
        from .attention.kernels import Options  # recipes are read and listed without torch

        return Options(compile=self.compile, channels_last=self.channels_last, attention=self.attention)


@dataclass(frozen=True, slots=True, kw_only=True)
class Structure(Section):
    """[structure]: what ControlNets are shown."""

    section: ClassVar[str] = "structure"
    controls: str | None = setting(
        None,
        """what the model's ControlNets read of the enlarged input: nothing (``none``), the ``image`` itself, its canny
        ``edges``, or ``both``; all that a model file attaches where it is open, ``none`` for the embedded model""",
        choices=("none", "image", "edges", "both"),
        requires="a ControlNet for each",
        first=WITHOUT,
        plain="none",
    )
    edge_share: float = setting(
        0.3,
        """k: a later stage's ControlNets see the canny edges of the stage before; gradients from (1 - k) to (1 + k)
        times the median of its values are weak and strong ones""",
        least=0,
        most=1,
        requires="``edges`` in a stage after the first",
    )

    @property
    def shown(self) -> tuple[str, ...]:
        """What ControlNets are shown, by the names of Conditioning.structure."""
        if self.controls in (None, "none"):
            return ()
        return ("image", "edges") if self.controls == "both" else (str(self.controls),)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImagePrompts(Section):
    """[image_prompts]: pictures that prompt each tile, by the model's IP-Adapter."""

    section: ClassVar[str] = "image_prompts"
    source: str = setting(
        "none",
        """``tile``, the enlarged input under it; ``textures``, the nearest of a memory of sharp textures; or
        ``none``""",
        choices=("none", "tile", "textures"),
        requires="an IP-Adapter, plain for ``textures`` (the embedded model has one of its own), and ``--textures``",
        first=WITHOUT,
    )
    count: int = setting(
        4,
        "K: textures that prompt each tile",
        least=1,
        read_with=(where("image_prompts.source", "textures", why="no memory is read (--textures)"),),
    )
    likeness: bool = setting(
        False,
        "whether each texture counts by its likeness to the tile (PatchScaler's Algorithm 1)",
        read_with=(where("image_prompts.source", "textures", why="no memory is read (--textures)"),),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Codec(Section):
    """[codec]: from pixels to latents and back."""

    section: ClassVar[str] = "codec"
    norm: str | None = setting(
        None,
        """what the autoencoder's group norms are given: each ``window``'s own statistics, the whole canvas's as a
        small copy of it has them (``fast``), or as it has them itself (``exact``, one pass over the canvas for every
        norm)""",
        choices=("window", "fast", "exact"),
        requires="an autoencoder with group norms for ``fast`` and ``exact``: Stable Diffusion's",
    )
    colour: str = setting(
        "none",
        """``wavelet``: low frequencies of the result are the enlarged input's; ``adain``: so are each channel's mean
        and deviation over the whole picture; ``none``: the model's own""",
        choices=("none", "wavelet", "adain"),
        first=WITHOUT,
    )
    value_range: tuple[float, float] | None = setting(
        None,
        """input values that become 0 and 1; where it is open the whole range of 8 bits, and what the values of other
        number formats fill""",
    )
    consistency: bool | None = setting(
        None,
        """whether the result, shrunk again, is the input; where it is open, of images that lie on the ground""",
        first=WITHOUT,
    )
    point_spread: float = setting(
        0.0,
        "standard deviation of the sensor's point spread that shrinking has; 0 for the mean over a pixel's square",
        unit="input pixels",
        least=0,
        most=4,
        read_with=(where("codec.consistency", True),),
    )
