"""Local prompts: what the tagger says of the input under each tile, in the words that the text encoder knows.

"Zoomed In, Diffused Out" (arXiv 2411.12072, section 3) gives every tile the degradation-aware prompt of its own crop
instead of one prompt for the picture. Tags and tiles share one grid here, whatever the size of the image.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from storage.box import Box

from .tiling import Tile

LEAST_SIDE = 32
"""input pixels a side below which a crop is widened before it is tagged"""


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalPrompts:
    """The prompts of a region's tiles, each distinct one encoded once."""

    prompts: tuple[str, ...]
    """distinct prompts, in the order in which they first occur"""
    rows: tuple[int, ...]
    """which prompt each of the region's tiles has, in row-major tile order"""
    text: torch.Tensor
    """[prompts, T, D]: their embeddings"""

    def of(self, indices: Sequence[int]) -> torch.Tensor:
        """[B, T, D] for tiles by their place among the region's tiles."""
        return self.text[[self.rows[index] for index in indices]]

    def to_bytes(self) -> bytes:
        buffer = io.BytesIO()
        np.savez(buffer, prompts=np.array(self.prompts), rows=np.array(self.rows), text=self.text.numpy())
        return buffer.getvalue()


def local_prompts_from_bytes(data: bytes) -> LocalPrompts:
    with np.load(io.BytesIO(data)) as table:
        return LocalPrompts(
            prompts=tuple(str(prompt) for prompt in table["prompts"]),
            rows=tuple(int(row) for row in table["rows"]),
            text=torch.from_numpy(table["text"]),
        )


def tagged_crop(tile: Tile, scale: int, factor: int, source: Box) -> Box:
    """The input pixels under a tile, at least LEAST_SIDE a side where the image (``source``) allows."""
    box = tile.box.scaled(factor)
    top, left = min(box.top // scale, source.bottom - 1), min(box.left // scale, source.right - 1)
    bottom, right = min(-(-box.bottom // scale), source.bottom), min(-(-box.right // scale), source.right)
    crop = Box(top=top, left=left, height=bottom - top, width=right - left)
    missing = max(0, LEAST_SIDE - min(crop.height, crop.width))
    return crop.grown(missing, source) if missing else crop


def write_prompt(tags: Sequence[tuple[str, float]], prompt: str) -> str:
    """The user's own prompt, then the tags, each phrase once, parted by commas: what is too long loses tags.

    >>> write_prompt([("aerial", 0.9), ("strong blur", 0.7)], "water, aerial")
    'water, aerial, strong blur'
    """
    phrases = [phrase.strip() for phrase in prompt.split(",")] + [phrase for phrase, _ in tags]
    return ", ".join(dict.fromkeys(phrase for phrase in phrases if phrase))
