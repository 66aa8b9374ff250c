"""What the model is given of a region's tiles at a step, beside their latents: prompts, pictures, places."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from actors.artifacts.image_prompts import StoredImagePrompts
from actors.artifacts.prompts import RegionPrompts
from pipeline.geometry.tiles import Tile
from pipeline.models.protocol import Conditioning
from pipeline.plan.plan import Plan
from pipeline.tasks.denoise import Gather, PromptTable, cut
from pipeline.tasks.micro_conditioning import told_crops
from pipeline.tasks.prepare import Preparer
from storage.box import Box

from .places import read_places


class Conditions:
    """Reads the conditions of one plan's tiles."""

    def __init__(
        self,
        plan: Plan,
        preparer: Preparer,
        images: StoredImagePrompts,
        prompt_table: Callable[[], PromptTable],
        local_prompts: Callable[[int], RegionPrompts],
    ) -> None:
        """``prompt_table`` gives the plan's own prompts, ``local_prompts`` those of a region's prompt windows."""
        self._plan, self._preparer, self._images = plan, preparer, images
        self._prompt_table, self._local_prompts = prompt_table, local_prompts

    def of(self, step: int, region: int, owned: list[Tile], extent: Box, coarse: np.ndarray | None) -> Gather:
        """Those of the tiles that a region owns; see pipeline.tasks.denoise.GatherOf."""
        plan = self._plan
        places = {tile: place for place, tile in enumerate(owned)}
        prompts = self._prompts(region, extent, places)
        images = self._images.read(region) if plan.recipe.image_prompts.source != "none" else None

        def gather(tiles: list[Tile]) -> tuple[Conditioning, PromptTable]:
            under = None
            if coarse is not None and plan.model_reads_coarse:
                under = torch.from_numpy(np.stack([cut(coarse, extent, tile.box) for tile in tiles]))
            conditioning = Conditioning(
                coarse=under,
                structure=self._structure(tiles),
                step=(step, plan.num_steps),
                crops=told_crops(plan, [tile.box for tile in tiles]),
                image=None if images is None else images.of([places[tile] for tile in tiles]),
                neighbourhood=plan.neighbourhood(step),
            )
            return conditioning, prompts(tiles)

        return gather

    def _prompts(self, region: int, extent: Box, places: dict[Tile, int]) -> Callable[[list[Tile]], PromptTable]:
        """The table of a batch of the region's tiles: the plan's own, a row a tile, or prompts at places of a tile."""
        own_prompts = self._prompt_table()
        if self._plan.has_places:
            inside = read_places(self._plan, extent, self._local_prompts)
            return lambda tiles: inside.rows(tiles, own_prompts)
        if self._plan.recipe.prompts.source != "global":
            local = self._local_prompts(region)
            return lambda tiles: local.rows([places[tile] for tile in tiles], own_prompts)
        return lambda tiles: own_prompts

    def _structure(self, tiles: list[Tile]) -> dict[str, torch.Tensor] | None:
        """What ControlNets are shown of a batch."""
        names = self._plan.recipe.structure.shown
        if not names:
            return None
        shown = [self._preparer.structure(tile.box) for tile in tiles]
        return {name: torch.stack([one[name] for one in shown]) for name in names}
