"""What a recipe says of tiles, regions and dilated samples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from pipeline.settings import SPREAD, Section, above, setting, where

LATENT = "latent pixels"
NEARBY = where("tiles.attend", "neighbourhood")
DILATED = above("dilation.power", 0, why="no dilated samples are taken")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tiles(Section):
    """[tiles]: how the latent canvas is cut, and how far a tile sees."""

    section: ClassVar[str] = "tiles"
    window: int | None = setting(None, "a side of a tile", unit=LATENT, least=8, first=SPREAD)
    overlap: int | None = setting(None, "what neighbouring tiles share, at least", unit=LATENT, least=0, first=SPREAD)
    blend: str = setting("cosine", "weight of a prediction across its tile", choices=("uniform", "cosine", "gaussian"))
    region: int = setting(256, "a side of a region: the unit of work, of storage and of resuming", unit=LATENT, least=8)
    jitter: str = setting(
        "none",
        """whether tiles move by up to a quarter of their overlap: at every ``step``, once a ``stage``, or ``none``""",
        choices=("none", "step", "stage"),
        first=SPREAD,
    )
    disagreement: bool = setting(
        False,
        """keep how far overlapping tiles disagree at the last step, beside the picture; `upscale --uncertainty` shows
        it""",
    )
    attend: str = setting(
        "tiles",
        """how far self-attention reaches: over one of the ``tiles``, which are of the model's native size, or over a
        ``neighbourhood`` of that size round each place of a much larger tile (ScaleDiff's): then tiles.window is the
        region's side unless it is given, tiles.overlap half of tiles.attention_window, and a canvas of one window is
        one tile""",
        choices=("tiles", "neighbourhood"),
        requires="for ``neighbourhood`` a U-Net (Stable Diffusion's, SDXL's, the embedded one) with its ControlNets, "
        "FLUX or Stable Diffusion 3",
        first=SPREAD,
    )
    attention_window: int | None = setting(
        None,
        """a side of a neighbourhood, and of the windows that have prompts of their own, which half overlap; the
        model's native window where it is open. A multiple of four times what the window must be a multiple of, at most
        the window""",
        unit=LATENT,
        least=8,
        needs=(NEARBY,),
        first=SPREAD,
    )
    attention_jitter: bool = setting(
        False,
        "shift the neighbourhoods of every layer at every step by an offset of its own, of up to half a neighbourhood",
        needs=(NEARBY,),
        first=SPREAD,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Dilated(Section):
    """[dilation]: samples of every n-th latent pixel, which see the whole picture at the model's native size."""

    section: ClassVar[str] = "dilation"
    power: float = setting(
        0.0,
        """power of the cosine by which predictions for dilated samples count beside the tiles'; 0 takes no samples""",
        least=0,
        first=SPREAD,
    )
    window: int | None = setting(
        None,
        """a side of a window within which samples are gathered, a multiple of the model's native window, twice it at
        least; the whole canvas where it is open""",
        unit=LATENT,
        needs=(DILATED,),
        first=SPREAD,
    )
    blur: float = setting(
        0.8,
        "standard deviation of the blur that dilated samples are seen through, at the first step",
        unit=LATENT,
        above=0,
        most=16,
        read_with=(DILATED,),
    )
    blur_power: float = setting(
        1.0,
        "power of the cosine by which the blur shrinks, to a hundredth; 0 keeps it",
        least=0,
        read_with=(DILATED,),
    )
    interaction: bool = setting(
        False,
        "whether dilated samples exchange their pixels while the model sees them (AccDiffusion's window interaction)",
        needs=(DILATED,),
        first=SPREAD,
    )
    interaction_group: int = setting(
        0,
        "samples that exchange among themselves, in their order; 0: all of a window. The published code: 16",
        least=0,
        read_with=(where("dilation.interaction", True, why="samples exchange nothing"),),
    )
