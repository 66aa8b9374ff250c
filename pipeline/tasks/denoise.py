"""denoise(s, r): run the backbone on the tiles a region owns and sum what they say, one sum a destination region."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from pipeline.geometry.blend import tile_weight
from pipeline.geometry.tiles import Tile, TileGrid
from pipeline.imaging.finite import TOO_STRONG, finite, finite_table
from pipeline.models.protocol import Backbone, Conditioning, ReadingBackbone, WordMaps, num_branches
from pipeline.plan.emptiness import is_tile_empty
from pipeline.plan.facts import DenoiseSettings
from pipeline.plan.plan import Plan
from pipeline.sampling.solver import Solver
from storage.box import Box, RegionGrid

from .activity import active_tiles
from .combine import tiles_at
from .compat import tile_scales
from .contribution import Contribution
from .disagreement import is_asked, join_moments, moments_of, no_moments
from .reads import Reads
from .replica import Replica
from .rest import rest
from .word_sums import WordSums, sum_words

DENOISER = "the denoiser"


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptTable:
    """Embeddings of the prompts in use, each once.

    Row 0 is the negative prompt, row 1 the prompt of every tile, unless ``each`` or ``against`` gives every tile of a
    batch its own.
    """

    embeddings: dict[str, torch.Tensor] = dataclasses.field(default_factory=dict)
    """``text [n, T, D]`` and ``pooled [n, D']``, where the model has them"""
    each: dict[str, Any] | None = None
    """local prompts: Conditioning's fields, a row a tile of the batch"""
    against: dict[str, Any] | None = None
    """local negative prompts, likewise"""

    def rows(self, row: int, batch: int) -> dict[str, Any]:
        """A row for every tile of a batch, by the names of Conditioning's fields."""
        local = self.each if row == 1 else self.against
        if local is not None:
            return local
        return {name: table[row : row + 1].expand(batch, *table.shape[1:]) for name, table in self.embeddings.items()}


def embed_own(backbone: Backbone, negative: str, prompt: str) -> dict[str, torch.Tensor]:
    """The rows of a PromptTable: ``negative``, zeros where it is empty and the model wants it so, and ``prompt``."""
    table = finite_table(backbone.embed([negative, prompt]), "the text encoder", "for the run's prompts")
    if negative or not backbone.geometry.inputs.zero_negative:
        return table
    return {name: torch.stack([torch.zeros_like(rows[0]), rows[1]]) for name, rows in table.items()}


def reach(tiles: TileGrid, regions: RegionGrid, region: int, jitter: int = 0) -> Box | None:
    """The part of the canvas that a region's own tiles see: itself and up to three regions right and below.

    Tiles that move by up to ``jitter`` latent pixels each way see more on every side. None where no tile starts in the
    region (a narrow last row or column).
    """
    owned = tiles.owned_by(regions.box(region))
    if not owned:
        return None
    top, left = owned[0].box.top, owned[0].box.left
    last = owned[-1].box
    still = Box(top=top, left=left, height=last.bottom - top, width=last.right - left)
    return still.grown(jitter, regions.canvas)


def predict_tiles(
    backbone: Backbone,
    solver: Solver,
    step: int,
    latents: torch.Tensor,
    conditioning: Conditioning,
    prompts: PromptTable,
    guidance: float,
    *,
    scales: torch.Tensor | None = None,
    words: WordMaps | None = None,
) -> torch.Tensor:
    """Guided predictions ``[B, C, h, w]`` for one full batch of tiles; ``words`` gets the conditional branch's maps.

    ``scales`` [B] are what the latents are multiplied by in place of the solver's own; see compat.py.

    Classifier-free guidance (Ho and Salimans, arXiv 2207.12598): u + g (c - u); the unconditional branch has the
    negative prompt, no image prompt, and all else of ``conditioning``: the picture itself is never in doubt.
    """
    scaled = solver.scale_input(latents, step) if scales is None else latents * scales.view(-1, 1, 1, 1)
    timestep = solver.timestep(step)
    batch = len(latents)
    conditioning = dataclasses.replace(conditioning, guidance=guidance)
    with _recording(backbone, words):
        conditional = backbone.predict(scaled, timestep, dataclasses.replace(conditioning, **prompts.rows(1, batch)))
    finite(conditional, DENOISER, f"at step {step}")
    if num_branches(backbone.geometry, guidance) == 1:
        return conditional
    without = None if conditioning.image is None else torch.zeros_like(conditioning.image)
    against = dataclasses.replace(conditioning, image=without, **prompts.rows(0, batch))
    unconditional = finite(backbone.predict(scaled, timestep, against), DENOISER, f"without words, at step {step}")
    guided = unconditional + guidance * (conditional - unconditional)
    return finite(guided, f"guidance of {guidance:g}", f"at step {step}", mend=TOO_STRONG)


def _recording(backbone: Backbone, words: WordMaps | None) -> AbstractContextManager[None]:
    if words is None:
        return nullcontext()
    assert isinstance(backbone, ReadingBackbone)
    return backbone.recording(words)


@dataclass(frozen=True, slots=True, kw_only=True)
class Idle:
    """Tiles that the model does not see at a step, and what is predicted for them."""

    tiles: frozenset[Tile]
    predict: Callable[[Tile], np.ndarray]
    """gives [c, h, w] float32 for one of them, which depends on the tile alone"""


def denoise_region(
    settings: DenoiseSettings,
    owned: list[Tile],
    extent: Box,
    z: np.ndarray,
    predict: Callable[[list[Tile], torch.Tensor], torch.Tensor],
    idle: Idle | None = None,
    *,
    compared: bool = False,
) -> dict[int, Contribution]:
    """Contributions by destination region, each summed over tiles in row-major order in float32.

    ``owned``: the region's tiles, where they are at this step. z: [c, y, x] float32 over ``extent``, which is ``reach``
    of the region; beyond the canvas a tile sees zeros. ``predict`` takes a batch of tiles and their latents
    [B, c, h, w] and gives predictions of that shape; a short batch repeats its last tile. Idle tiles are summed before
    the others. ``compared``: with the moments of tiles, too.
    """
    weight = tile_weight(settings.blend, settings.tiles.tile_height, settings.tiles.tile_width)
    sums = _empty_sums(settings.regions, extent, channels=z.shape[0], compared=compared)
    active = owned
    if idle is not None:
        active = [tile for tile in owned if tile not in idle.tiles]
        for tile in owned:
            if tile in idle.tiles:
                _add(sums, tile.box, idle.predict(tile), weight)
    for tiles in _batches(active, settings.batch):
        padded = tiles + tiles[-1:] * (settings.batch - len(tiles))
        latents = torch.from_numpy(np.stack([cut(z, extent, tile.box) for tile in padded]))
        predictions = predict(padded, latents).numpy()
        for tile, prediction in zip(tiles, predictions, strict=False):
            _add(sums, tile.box, prediction, weight)
    return sums


def cut(values: np.ndarray, have: Box, box: Box) -> np.ndarray:
    """``box`` of values ``[c, y, x]`` over ``have``, with zeros for what lies beyond."""
    if have.contains(box):
        return values[:, *box.within(have)]
    overlap = box.intersection(have)
    filled = np.zeros((len(values), *box.shape), dtype=values.dtype)
    if overlap is not None:
        filled[:, *overlap.within(box)] = values[:, *overlap.within(have)]
    return filled


def _empty_sums(regions: RegionGrid, extent: Box, channels: int, *, compared: bool) -> dict[int, Contribution]:
    sums = {}
    for destination in regions.overlapping(extent):
        overlap = regions.box(destination).intersection(extent)
        assert overlap is not None
        total = np.zeros((channels, *overlap.shape), dtype=np.float32)
        sums[destination] = Contribution(
            box=overlap, total=total, moments=no_moments(channels, overlap.shape) if compared else None
        )
    return sums


def _add(sums: dict[int, Contribution], tile: Box, prediction: np.ndarray, weight: np.ndarray) -> None:
    weighted = prediction * weight
    for contribution in sums.values():
        overlap = contribution.box.intersection(tile)
        if overlap is None:
            continue
        contribution.total[:, *overlap.within(contribution.box)] += weighted[:, *overlap.within(tile)]
        if contribution.moments is not None:
            seen = overlap.within(tile)
            more = moments_of(prediction[:, *seen], weight[seen])
            join_moments(contribution.moments[:, *overlap.within(contribution.box)], more)


def _batches(tiles: list[Tile], size: int) -> Iterator[list[Tile]]:
    for first in range(0, len(tiles), size):
        yield tiles[first : first + size]


Gather = Callable[[list[Tile]], tuple[Conditioning, PromptTable]]
"""a batch of a region's tiles -> what it is conditioned on, and its prompts"""
GatherOf = Callable[[int, int, list[Tile], Box, np.ndarray | None], Gather]
"""step, region, the tiles that it owns where they are at the step, the box ``[y, x]`` that they see, and the coarse
latent over it, where it is read -> what gathers the conditions of each batch of them"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Denoiser:
    """Denoises the regions of one plan."""

    plan: Plan
    solver: Solver
    reads: Reads
    replica: Replica
    gather_of: GatherOf

    def denoise(self, step: int, region: int) -> list[Contribution]:
        """What a region's tiles say of each region that they touch, ascending.

        Raises NotFiniteError where the model gives no numbers.
        """
        plan = self.plan
        extent = reach(plan.tiles, plan.regions, region, plan.jitter)
        assert extent is not None
        z = self.reads.at(step, extent)
        coarse = self.reads.coarse(extent) if plan.denoise_reads_coarse else None
        owned = tiles_at(plan, step, region)
        gather = self.gather_of(step, region, owned, extent, coarse)
        words = sum_words(plan, extent) if plan.recipe.prompts.collect_words else None

        def predict(tiles: list[Tile], latents: torch.Tensor) -> torch.Tensor:
            return self._predict_batch(step, tiles, latents, gather(tiles), words)

        idle = self._idle(step, extent, owned, z, coarse)
        with self.replica.alone:
            made = denoise_region(plan.denoise_settings, owned, extent, z, predict, idle, compared=is_asked(plan, step))
        contributions = [made[destination] for destination in sorted(made)]
        if words is not None:
            contributions = [dataclasses.replace(one, words=words.part(one.box)) for one in contributions]
        return contributions

    def _predict_batch(
        self,
        step: int,
        tiles: list[Tile],
        latents: torch.Tensor,
        conditions: tuple[Conditioning, PromptTable],
        words: WordSums | None,
    ) -> torch.Tensor:
        maps = None if words is None else WordMaps()
        scales = tile_scales(self.plan, self.solver, step, tiles)
        predictions = self.predict(step, latents, *conditions, scales, maps)
        if words is not None and maps is not None:
            words.add(tiles, maps.mean().cpu().numpy())
        return predictions

    def predict(
        self,
        step: int,
        latents: torch.Tensor,
        conditioning: Conditioning,
        prompts: PromptTable,
        scales: torch.Tensor | None,
        words: WordMaps | None = None,
    ) -> torch.Tensor:
        """Guided predictions for one full batch, of tiles or of dilated samples, counted; see ``predict_tiles``."""
        guidance = self.plan.denoise_settings.guidance
        self.replica.count(len(latents) * num_branches(self.plan.geometry, guidance))
        with self.replica.lend() as backbone:
            return predict_tiles(
                backbone, self.solver, step, latents, conditioning, prompts, guidance, scales=scales, words=words
            )

    def _idle(self, step: int, extent: Box, tiles: list[Tile], z: np.ndarray, coarse: np.ndarray | None) -> Idle | None:
        """Those of ``tiles`` that the model does not see at ``step``; z and coarse over ``extent``."""
        plan, recipe = self.plan, self.plan.recipe
        idle = {tile for tile in tiles if is_tile_empty(plan, tile.box)}
        if plan.has_difficulty:
            difficulty = self.reads.difficulty(extent)
            idle |= {*tiles} - {
                *active_tiles(recipe, tiles, extent, difficulty, plan.timesteps[step], plan.refined_from)
            }

        def predict(tile: Tile) -> np.ndarray:
            if coarse is None:  # of a tile without data: nothing reads what becomes of it
                return np.zeros((len(z), *tile.box.shape), np.float32)
            still = (cut(values, extent, tile.box) for values in (z, coarse))
            return rest(recipe, self.solver, self.replica.backbone, step, *still)

        return Idle(tiles=frozenset(idle), predict=predict) if idle else None
