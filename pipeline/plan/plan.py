"""The plan: a recipe bound to one image, one model and one kind of device. The result is a pure function of it."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from dataclasses import dataclass
from typing import Any

from pipeline.geometry.dilation import Dilation, plan_dilation
from pipeline.geometry.jitter import jitter_radius
from pipeline.geometry.tiles import TileGrid, plan_tiles
from pipeline.imaging.colour import REACH as COLOUR_REACH
from pipeline.imaging.frequency import neighbourhood as low_pass_window
from pipeline.imaging.pixels import ValueRange
from pipeline.models.card import AttentionCard, LatentGeometry
from pipeline.models.protocol import Neighbourhood, num_branches
from pipeline.prompts.tag_file import TagFile
from pipeline.prompts.tagging import Tagging
from pipeline.sampling.difficulty import refined_from
from pipeline.sampling.groups import group_grid
from pipeline.sampling.levels import FlowLevels
from pipeline.sampling.solver import Solver, build_solver
from storage.box import Box, RegionGrid

from .device import DeviceFacts
from .facts import ONLY_STAGE, DenoiseSettings, ImageFacts, Stage
from .finishing import finish_halo
from .recipe import Recipe
from .sources import is_relative

FORMAT = 11
"""version of the plan record; a change to how results are computed raises it"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Geometry, timesteps, batch shape, seed and fingerprints: all that affects a byte of the result."""

    recipe: Recipe
    """with no field left open"""
    image: ImageFacts
    scale: int
    """output pixels along each axis of one input pixel"""
    geometry: LatentGeometry
    scheduler: dict[str, Any]
    model_fingerprint: str
    device: DeviceFacts
    versions: dict[str, str]
    regions: RegionGrid
    """of the latent canvas, in latent pixels"""
    tiles: TileGrid
    timesteps: tuple[float, ...]
    tags: TagFile | None = None
    """the user's tags, where prompts are ``file``"""
    attention: AttentionCard | None = None
    """the vision transformer, where difficulty is ``attention``"""
    difficulty_map: ImageFacts | None = None
    """the user's map, where difficulty is ``file``"""
    textures: str | None = None
    """sha256 of the memory of textures, where image prompts are ``textures``"""
    tagger: Tagging | None = None
    """what tags, where prompts are ``local`` and it is not the model's own"""
    degradations: tuple[str, ...] = ()
    """phrases that speak of damage, of those that are said of tiles"""
    dropped: tuple[str, ...] = ()
    """what of the model's files nobody reads, a line each; only where the user let it pass"""
    stage: Stage = ONLY_STAGE
    format: int = FORMAT

    @property
    def reads_negative(self) -> bool:
        """Whether predictions move away from the negative prompt."""
        assert self.recipe.guidance.weight is not None
        return self.geometry.reads_text and num_branches(self.geometry, self.recipe.guidance.weight) > 1

    @property
    def all_dropped(self) -> tuple[str, ...]:
        """What nobody reads of the files of the model, the vision transformer and the tagger."""
        beside = [one.dropped for one in (self.attention, self.tagger) if one is not None]
        return (*self.dropped, *(line for lines in beside for line in lines))

    @property
    def prompt_tiles(self) -> TileGrid:
        """Windows with prompts of their own: the tiles, or windows of native size that half overlap inside them."""
        side = self.recipe.tiles.attention_window
        if self.recipe.tiles.attend == "tiles" or side is None:
            return self.tiles
        return plan_tiles(self.regions.height, self.regions.width, window=side, stride=side // 2)

    @property
    def has_places(self) -> bool:
        """Whether a tile holds many windows with prompts of their own."""
        return self.recipe.tiles.attend != "tiles" and self.recipe.prompts.source != "global"

    def neighbourhood(self, step: int) -> Neighbourhood | None:
        """What self-attention reaches over; None where that is a whole tile."""
        recipe = self.recipe
        if recipe.tiles.attend == "tiles" or recipe.tiles.attention_window is None:
            return None
        return Neighbourhood(
            window=recipe.tiles.attention_window,
            key=(recipe.run.seed, self.stage.index, step) if recipe.tiles.attention_jitter else None,
        )

    @property
    def height_out(self) -> int:
        return self.image.height * self.scale

    @property
    def width_out(self) -> int:
        return self.image.width * self.scale

    @property
    def num_steps(self) -> int:
        return len(self.timesteps)

    @property
    def out_regions(self) -> RegionGrid:
        """The same regions in output pixels, cut at the image's true edge (the latent canvas may reach beyond it)."""
        factor = self.geometry.factor
        return RegionGrid(height=self.height_out, width=self.width_out, side=self.regions.side * factor)

    @property
    def levels(self) -> tuple[float, float]:
        """Input values that are 0 and 1 to the model."""
        assert self.recipe.codec.value_range is not None
        return self.recipe.codec.value_range

    @property
    def value_range(self) -> ValueRange:
        low, high = self.levels
        return ValueRange(low=low, high=high, dtype=self.image.dtype)

    @property
    def source(self) -> Box:
        """The whole input, in input pixels."""
        return Box(top=0, left=0, height=self.image.height, width=self.image.width)

    @property
    def model_reads_coarse(self) -> bool:
        """Whether the model is shown the coarse latent: not where the picture is made from words."""
        return self.geometry.inputs.coarse and not self.stage.from_text

    @property
    def denoise_reads_coarse(self) -> bool:
        """Whether a step needs the coarse latent: the model reads it, inactive places follow it, or it is mixed in."""
        return self.model_reads_coarse or self.has_difficulty or self.recipe.sampling.skip > 0

    @property
    def dilation(self) -> Dilation | None:
        """The windows of dilated samples; None where the recipe takes none."""
        recipe, geometry = self.recipe, self.geometry
        if not recipe.dilation.power:
            return None
        return plan_dilation(
            self.regions.height,
            self.regions.width,
            native=geometry.window,
            multiple=geometry.multiple,
            side=recipe.dilation.window,
            zeros=recipe.run.compat == "official",
        )

    @property
    def jitter(self) -> int:
        """Latent pixels that a tile may move each way."""
        assert self.recipe.tiles.window is not None
        assert self.recipe.tiles.overlap is not None
        window, overlap = self.recipe.tiles.window, self.recipe.tiles.overlap
        return 0 if self.recipe.tiles.jitter == "none" else jitter_radius(window, window - overlap)

    @property
    def decode_halo(self) -> int:
        """Latent pixels round a region that its output depends on: the decoder's reach, the colour's, and more."""
        colour = COLOUR_REACH if self.recipe.codec.colour == "wavelet" else 0
        return self.geometry.codec.decoder_halo + -(-(colour + finish_halo(self)) // self.geometry.factor)

    @property
    def agrees(self) -> bool:
        """Whether the result, shrunk again, is the input; of a picture as large as its input it would be the input."""
        return bool(self.recipe.codec.consistency) and self.scale > 1

    @property
    def is_guided(self) -> bool:
        """Whether merges draw predictions to the coarse latent."""
        return self.recipe.guidance.guide != "none"

    def merge_window(self, box: Box) -> Box:
        """What of the canvas the merge of a region's ``box`` depends on: itself, and what its guide sees round it."""
        return low_pass_window(self.regions.canvas, box, self.recipe.guidance.low_cell) if self.is_guided else box

    @property
    def has_difficulty(self) -> bool:
        """Whether the run keeps a map of difficulty."""
        return self.recipe.difficulty.activity != "all"

    @property
    def is_relative(self) -> bool:
        """Whether that map is divided by its largest value over the whole picture."""
        return is_relative(self.recipe)

    @property
    def refined_from(self) -> float:
        """With activity ``mask``, the timestep from which on every place is refined."""
        return refined_from(self.timesteps, self.recipe.difficulty.lower_bound or 0.0)

    @property
    def least_steps(self) -> int:
        """Steps in which the model sees every tile, however easy it is."""
        recipe = self.recipe
        if recipe.difficulty.activity == "all":
            return self.num_steps
        begin = recipe.difficulty.group_times[0] if recipe.difficulty.activity == "groups" else self.refined_from
        return sum(timestep <= begin for timestep in self.timesteps)

    @property
    def uses_coarse(self) -> bool:
        """Whether there is a coarse latent at all; making it is the task that makes the local prompts too."""
        is_read = self.denoise_reads_coarse or self.is_guided or self.recipe.sampling.start == "image"
        return is_read or self.recipe.prompts.source != "global"

    @property
    def lifts_latents(self) -> bool:
        """Whether the coarse latent is the stage before's, enlarged: nothing is encoded then."""
        return self.stage.before is not None and self.recipe.stages.lift == "latent"

    @property
    def denoise_settings(self) -> DenoiseSettings:
        assert self.recipe.model.batch is not None
        assert self.recipe.guidance.weight is not None
        return DenoiseSettings(
            tiles=self.tiles,
            regions=self.regions,
            batch=self.recipe.model.batch,
            guidance=self.recipe.guidance.weight,
            blend=self.recipe.tiles.blend,
        )

    @property
    def _strength(self) -> float:
        """Share of the steps that run."""
        return (
            self.recipe.sampling.strength * self.recipe.sampling.restart
            if self.recipe.sampling.start == "image"
            else 1.0
        )

    def solver(self) -> Solver:
        recipe = self.recipe
        assert recipe.sampling.solver is not None
        assert recipe.sampling.steps is not None
        return build_solver(
            recipe.sampling.solver,
            self.scheduler,
            steps=recipe.sampling.steps,
            strength=self._strength,
            spacing=recipe.sampling.spacing,
            times=group_grid(recipe.difficulty.group_times, recipe.difficulty.group_steps)
            if recipe.difficulty.group_steps
            else None,
            flow=self._flow_levels(),
        )

    def _flow_levels(self) -> FlowLevels | None:
        """None for a U-Net."""
        patch = self.geometry.patch
        if patch is None:
            return None
        sides = (
            min(side, self.recipe.tiles.attention_window or side)
            for side in (self.tiles.tile_height, self.tiles.tile_width)
        )
        tokens = math.prod(side // patch for side in sides)
        return FlowLevels(tokens=tokens, even=self.geometry.even_levels)

    def to_json(self) -> bytes:
        """Canonical JSON: the same plan gives the same bytes."""
        return json.dumps(dataclasses.asdict(self), sort_keys=True, indent=1).encode()

    @property
    def hash(self) -> str:
        """sha256 of the canonical JSON, in hex."""
        return plan_hash(self.to_json())


def plan_hash(record: bytes) -> str:
    """The hash of a plan by its record, of whatever format."""
    return hashlib.sha256(record).hexdigest()


def prompting_regions(plan: Plan, box: Box) -> list[int]:
    """Regions that own the windows whose prompts hold in a box of latent pixels, ascending."""
    corners = [tile.box for tile in plan.prompt_tiles.touching(box)]
    points = [Box(top=corner.top, left=corner.left, height=1, width=1) for corner in corners]
    return sorted({region for point in points for region in plan.regions.overlapping(point)})
