"""Prompts in a forward pass, as the plain loop (tests.support.runs.serial) has them: a dense map of weights each."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional

from pipeline.geometry.blend import tile_weight
from pipeline.plan.plan import Plan


class DensePlaces:
    """In place of PromptPlaces: one prompt a window, and the whole canvas's weights of each, [P, y, x]."""

    def __init__(self, embeddings: dict[str, torch.Tensor], maps: torch.Tensor) -> None:
        self.embeddings, self.maps = embeddings, maps.double()
        self.height, self.width = maps.shape[1:]

    def saying(self, embeddings: dict[str, torch.Tensor]) -> DensePlaces:
        return DensePlaces(embeddings, self.maps)

    def weights(
        self, height: int, width: int, _device: torch.device, dtype: torch.dtype
    ) -> list[tuple[torch.Tensor, torch.Tensor]]:
        maps = self.maps[:, None]
        while maps.shape[2:] != (height, width):
            maps = functional.avg_pool2d(maps, 2, ceil_mode=True)
        flat = (maps / maps.sum(0)).flatten(1)
        return [(torch.arange(flat.shape[1]), one.to(dtype)) for one in flat]


def placed(plan: Plan, texts: dict[tuple[int, int], dict[str, torch.Tensor]], top: int, left: int) -> dict[str, Any]:
    """Both rows of a tile's prompts, [negative, positive] of each of Conditioning's fields.

    ``texts``: both rows of each window's own prompts, by its row and column.
    """
    grid, tiles = plan.prompt_tiles, plan.tiles
    weight = torch.from_numpy(tile_weight(plan.recipe.tiles.blend, grid.tile_height, grid.tile_width))
    maps, rows = [], []
    for (row, col), table in texts.items():
        own = torch.zeros(plan.regions.canvas.shape)
        y, x = grid.tops[row], grid.lefts[col]
        own[y : y + grid.tile_height, x : x + grid.tile_width] = weight
        maps.append(own)
        rows.append(table)
    shares = torch.stack(maps) / torch.stack(maps).sum(0)
    shares = shares[:, top : top + tiles.tile_height, left : left + tiles.tile_width]
    both = [{name: torch.stack([table[name][row] for table in rows]) for name in rows[0]} for row in (0, 1)]
    fields: dict[str, Any] = {"places": [DensePlaces(one, shares) for one in both], "text": rows[0]["text"]}
    if "pooled" in rows[0]:
        mean = shares.mean((1, 2))[:, None]
        fields["pooled"] = torch.stack([(mean * one["pooled"]).sum(0) for one in both])
    return fields
