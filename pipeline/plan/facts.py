"""What a plan knows of its image and of its stage, and what denoising reads of a plan."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.geometry.tiles import TileGrid
from storage.box import RegionGrid
from storage.occupancy import Occupancy


@dataclass(frozen=True, slots=True, kw_only=True)
class DenoiseSettings:
    """What denoise needs of a plan."""

    tiles: TileGrid
    regions: RegionGrid
    batch: int
    """tiles in one forward pass: a fixed shape, short batches are padded"""
    guidance: float
    blend: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageFacts:
    """What a plan must know of the image."""

    height: int
    """input pixels along y"""
    width: int
    """input pixels along x"""
    num_bands: int
    """without transparency"""
    dtype: str
    """the file's own number format, which the result has too"""
    sha256: str
    """of the file's bytes and of the chosen bands"""
    shown: tuple[int, ...] = ()
    """bands that the model sees, counted from 0: one, or red, green and blue; () for all of them"""
    holes: str = "none"
    """what can be no data: "none", single values of "bands", or "pixels" as a whole"""
    hole: str | None = None
    """the number that stands for no data, as text, which data do not have in the result; None where none does"""
    levels: tuple[float, float] | None = None
    """the values that nearly all of the shown bands' lie between; None where they were not measured"""
    means: tuple[float, ...] = ()
    """of the bands, where they have holes to be filled"""
    occupancy: Occupancy | None = None
    """where there are data at all; None for everywhere"""
    is_map: bool = False
    """whether it lies on the ground"""
    ratio: str = "1"
    """how much larger than its file it is along each axis, such as 3/2"""

    @property
    def shown_bands(self) -> tuple[int, ...]:
        """See ``shown``."""
        return self.shown or tuple(range(self.num_bands))


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Where a plan stands in a progressive run: each stage is a plan of its own, whose input is the stage before."""

    index: int = 0
    count: int = 1
    from_text: bool = False
    """whether the first stage begins from words alone"""
    decodes: bool = True
    """whether its pixels are wanted: it is the last, or the next one reads them"""
    height_final: int = 0
    """output pixels along y of the last stage; 0 for a run of one"""
    width_final: int = 0
    height_first: int = 0
    """output pixels along y of the first stage, likewise"""
    width_first: int = 0
    before: str | None = None
    """hash of the plan of the stage before"""
    height_before: int = 0
    """latent pixels along y of that stage's canvas"""
    width_before: int = 0
    steps_before: int = 0

    @property
    def is_last(self) -> bool:
        return self.index + 1 == self.count


ONLY_STAGE = Stage()
