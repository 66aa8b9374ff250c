"""Local prompts: what the tagger says of the input under each tile, in the words that the text encoder knows.

"Zoomed In, Diffused Out" (arXiv 2411.12072, section 3) gives every tile the degradation-aware prompt of its own crop
instead of one prompt for the picture. Tags and tiles share one grid here, whatever the size of the image. The prompts
steer the restoration module too, where it can be steered: at each input pixel by all prompts of the tiles over it,
blended with the weights that their predictions are averaged with, so that no seam can come of it.
"""

from __future__ import annotations

import functools
import io
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from storage.box import Box

from .backbone import Backbone, RestoringBackbone
from .blend import axis_window
from .pixels import source_window
from .plan import Plan
from .tiling import Tile, TileGrid

LEAST_SIDE = 32
"""input pixels a side below which a crop is widened before it is tagged"""
REMEMBERED = 4096
"""tiles whose prompts a process remembers: neighbouring regions ask for the same ones"""


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalPrompts:
    """The prompts of a region's tiles, each distinct one encoded once."""

    prompts: tuple[str, ...]
    """distinct prompts, in the order in which they first occur"""
    rows: tuple[int, ...]
    """which prompt each of the region's tiles has, in row-major tile order"""
    embeddings: dict[str, torch.Tensor]
    """by the names of Conditioning's fields, first axis the prompt"""

    def of(self, indices: Sequence[int]) -> dict[str, torch.Tensor]:
        """Their embeddings for tiles by their place among the region's tiles, first axis the tile."""
        chosen = [self.rows[index] for index in indices]
        return {name: table[chosen] for name, table in self.embeddings.items()}

    def to_bytes(self) -> bytes:
        buffer = io.BytesIO()
        arrays: dict[str, Any] = {f"embedding-{name}": table.numpy() for name, table in self.embeddings.items()}
        np.savez(buffer, prompts=np.array(self.prompts), rows=np.array(self.rows), **arrays)
        return buffer.getvalue()


def local_prompts_from_bytes(data: bytes) -> LocalPrompts:
    with np.load(io.BytesIO(data)) as table:
        return LocalPrompts(
            prompts=tuple(str(prompt) for prompt in table["prompts"]),
            rows=tuple(int(row) for row in table["rows"]),
            embeddings={
                name.removeprefix("embedding-"): torch.from_numpy(table[name])
                for name in table.files
                if name.startswith("embedding-")
            },
        )


def tagged_crop(tile: Tile, scale: int, factor: int, source: Box) -> Box:
    """The input pixels under a tile, at least LEAST_SIDE a side where the image (``source``) allows."""
    crop = source_window(tile.box.scaled(factor), scale, source, halo=0)
    missing = max(0, LEAST_SIDE - min(crop.height, crop.width))
    return crop.grown(missing, source) if missing else crop


def say(tags: Sequence[tuple[str, float]], prompt: str) -> dict[str, float]:
    """The user's own phrases, which are sure, then the tags with their probabilities; each phrase once.

    Joined by commas it is the tile's prompt: what is too long loses tags.

    >>> say([("aerial", 0.9), ("strong blur", 0.7)], "water, aerial")
    {'water': 1.0, 'aerial': 1.0, 'strong blur': 0.7}
    """
    own = {phrase.strip(): 1.0 for phrase in prompt.split(",") if phrase.strip()}
    return own | {phrase: sure for phrase, sure in tags if phrase not in own}


class Prompter:
    """The prompt of any tile of a plan, and what the prompts say at any input pixel."""

    def __init__(
        self,
        plan: Plan,
        read_rgb: Callable[[Box], torch.Tensor],
        in_backbone: Callable[[], AbstractContextManager[Backbone]],
    ) -> None:
        """``read_rgb`` gives input pixels ``[3, y, x]``; ``in_backbone`` lends the model for one computation."""
        self.plan, self._read_rgb, self._in_backbone = plan, read_rgb, in_backbone
        self.said = functools.lru_cache(REMEMBERED)(self._said)
        """the phrases of a tile's prompt and how sure they are: the same in whichever process they are asked for"""

    def _said(self, tile: Tile) -> dict[str, float]:
        plan = self.plan
        if plan.recipe.prompts == "global":
            return say([], plan.recipe.prompt)
        crop = tagged_crop(tile, plan.scale, plan.geometry.factor, plan.source)
        if plan.tags is not None:
            return say(plan.tags.tags(crop), plan.recipe.prompt)
        low = self._read_rgb(crop).clamp(0, 1)
        with self._in_backbone() as backbone:
            assert isinstance(backbone, RestoringBackbone)
            return say(backbone.tag(low[None])[0], plan.recipe.prompt)

    def table(self, tiles: Sequence[Tile]) -> LocalPrompts:
        """The prompts of ``tiles`` (at least one) and their embeddings."""
        prompts = [", ".join(self.said(tile)) for tile in tiles]
        distinct = tuple(dict.fromkeys(prompts))
        with self._in_backbone() as backbone:
            embeddings = backbone.embed(list(distinct))
        rows = tuple(distinct.index(prompt) for prompt in prompts)
        return LocalPrompts(prompts=distinct, rows=rows, embeddings=embeddings)

    def steering(self, window: Box) -> torch.Tensor:
        """[phrases, y, x]: how far each phrase of the restoration module holds at the input pixels of ``window``."""
        plan = self.plan
        places = (latents_under(window.top, window.bottom, plan), latents_under(window.left, window.right, plan))
        tiles = _covering(plan.tiles, *places)
        said = [
            self.said(tile) for tile in tiles
        ]  # before the model is taken: it reads pixels, and takes the model itself
        with self._in_backbone() as backbone:
            assert isinstance(backbone, RestoringBackbone)
            words = backbone.steering(said)
        return blend_words(words, tiles, plan.recipe.blend, *places)


def latents_under(first: int, last: int, plan: Plan) -> np.ndarray:
    """The latent pixel under the middle of each input pixel from ``first`` up to ``last``, along one axis."""
    return (2 * np.arange(first, last) + 1) * plan.scale // (2 * plan.geometry.factor)


def _covering(grid: TileGrid, ys: np.ndarray, xs: np.ndarray) -> list[Tile]:
    """Tiles over any of the latent pixels from ys[0], xs[0] to ys[-1], xs[-1], row-major."""
    rows = [i for i, top in enumerate(grid.tops) if top <= ys[-1] and ys[0] < top + grid.tile_height]
    cols = [i for i, left in enumerate(grid.lefts) if left <= xs[-1] and xs[0] < left + grid.tile_width]
    return [grid.tile(row, col) for row in rows for col in cols]


def blend_words(said: torch.Tensor, tiles: list[Tile], blend: str, ys: np.ndarray, xs: np.ndarray) -> torch.Tensor:
    """[phrases, y, x] at latent pixels ys, xs from ``said`` [tiles, phrases]: means by the tiles' blend weights."""
    total, weights = torch.zeros(said.shape[1], len(ys), len(xs)), torch.zeros(len(ys), len(xs))
    for tile, words in zip(tiles, said, strict=True):
        along_y = _weights_at(blend, tile.box.height, ys - tile.box.top)
        along_x = _weights_at(blend, tile.box.width, xs - tile.box.left)
        weight = torch.from_numpy(np.outer(along_y, along_x))
        weights += weight
        for phrase in words.nonzero().flatten().tolist():
            total[phrase] += words[phrase] * weight
    return total / weights


def _weights_at(blend: str, length: int, places: np.ndarray) -> np.ndarray:
    """A tile's weights along one axis at ``places`` from its beginning; 0 beside it."""
    inside = (places >= 0) & (places < length)
    return np.where(inside, axis_window(blend, length)[places.clip(0, length - 1)], np.float32(0))
