"""The prompts inside a tile that holds many windows with prompts of their own; see pipeline.prompts.places."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import torch

from actors.artifacts.prompts import RegionPrompts
from pipeline.geometry.tiles import Tile
from pipeline.plan.plan import Plan, prompting_regions
from pipeline.prompts.places import PromptPlaces, place_prompts
from pipeline.tasks.denoise import PromptTable
from storage.box import Box

PROMPT, NEGATIVE = 0, 1


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class LocalPlaces:
    """The prompts of all windows that touch some tiles."""

    plan: Plan
    keys: dict[Tile, tuple[int, int]]
    """of each window's prompt and negative prompt; 0 for the plan's own"""
    embeddings: dict[int, dict[str, torch.Tensor]]
    """by key, without a batch axis"""

    def rows(self, tiles: list[Tile], own_prompts: PromptTable) -> PromptTable:
        """The table of a batch of tiles; ``own_prompts`` is the plan's."""
        has_negatives = any(keys[NEGATIVE] for keys in self.keys.values())
        against = self._fields(tiles, NEGATIVE, own_prompts) if has_negatives else None
        return dataclasses.replace(own_prompts, each=self._fields(tiles, PROMPT, own_prompts), against=against)

    def _fields(self, tiles: list[Tile], which: int, own_prompts: PromptTable) -> dict[str, Any]:
        """Conditioning's fields. ``text`` has the right shape, and nobody reads it beside ``places``."""
        plain = {name: table[1 - which] for name, table in own_prompts.embeddings.items()}
        placed = {tile: self._place(tile, which, plain) for tile in tiles}
        fields: dict[str, Any] = {"text": torch.stack([plain["text"]] * len(tiles))}
        if pooled := [vector for tile in tiles if (vector := placed[tile].pooled()) is not None]:
            fields["pooled"] = torch.stack(pooled)
        return {**fields, "places": tuple(placed[tile] for tile in tiles)}

    def _place(self, tile: Tile, which: int, plain: dict[str, torch.Tensor]) -> PromptPlaces:
        plan = self.plan
        keys = list(dict.fromkeys(self.keys[window][which] for window in plan.prompt_tiles.touching(tile.box)))
        each = [self.embeddings[key] if key else plain for key in keys]
        rows = {name: torch.stack([one[name] for one in each]) for name in plain}
        return place_prompts(
            plan.prompt_tiles,
            plan.regions.canvas,
            plan.recipe.tiles.blend,
            tile.box,
            lambda window: keys.index(self.keys[window][which]),
            rows,
        )


def read_places(plan: Plan, box: Box, read: Callable[[int], RegionPrompts]) -> LocalPlaces:
    """The prompts in a box of latent pixels; ``read`` gives those of the windows that a region owns."""
    keys: dict[Tile, tuple[int, int]] = {}
    embeddings: dict[int, dict[str, torch.Tensor]] = {}
    for region in prompting_regions(plan, box):
        prompts = read(region)
        keys |= dict(zip(plan.prompt_tiles.owned_by(plan.regions.box(region)), prompts.keys, strict=True))
        embeddings |= {key: record.embeddings for key, record in prompts.records.items()}
    return LocalPlaces(plan=plan, keys=keys, embeddings=embeddings)
