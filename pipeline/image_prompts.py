"""Image prompts: pictures that tiles are conditioned on beside their words, as embeddings of the model's image encoder.

``tile``      Each tile is prompted by the enlarged input under it: what the place looks like, in no words.
``textures``  Each tile is prompted by sharp reference textures, those whose coarse pictures look most like the tile's:
              PatchScaler's texture prompts (see textures.py).
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

import numpy as np
import torch

from storage.box import Box

from .backbone import Backbone, LookingBackbone
from .finite import at, finite
from .plan import Plan
from .textures import TextureMemory
from .tiling import Tile


@dataclass(frozen=True, slots=True, kw_only=True)
class ImagePrompts:
    """The image prompts of a region's tiles."""

    embeddings: torch.Tensor
    """[tiles, K, ...] float32: K pictures a tile, in row-major tile order; see Conditioning.image"""

    def of(self, indices: Sequence[int]) -> torch.Tensor:
        """Those of tiles by their place among the region's tiles, first axis the tile."""
        return self.embeddings[list(indices)]

    def to_bytes(self) -> bytes:
        buffer = io.BytesIO()
        np.savez(buffer, embeddings=self.embeddings.numpy())
        return buffer.getvalue()


def image_prompts_from_bytes(data: bytes) -> ImagePrompts | None:
    """What ``to_bytes`` wrote; None where the bytes are damaged."""
    try:
        with np.load(io.BytesIO(data)) as table:
            return ImagePrompts(embeddings=torch.from_numpy(table["embeddings"]))
    except (zipfile.BadZipFile, ValueError, KeyError, EOFError, OSError):
        return None


def look_at_tiles(
    plan: Plan,
    tiles: Sequence[Tile],
    picture: Callable[[Box], torch.Tensor],
    in_backbone: Callable[[], AbstractContextManager[Backbone]],
    memory: TextureMemory | None = None,
) -> ImagePrompts:
    """The image prompts of ``tiles`` (at least one); ``picture`` gives RGB of a box of latent pixels.

    ``memory``: what is remembered of reference textures is shown instead of what is seen. One picture at a time, so
    that an embedding does not depend on how many tiles the region has.
    """
    shown = []
    for tile in tiles:
        pixels = picture(tile.box)
        with in_backbone() as backbone:
            assert isinstance(backbone, LookingBackbone)
            seen = finite(backbone.look(pixels[None]), "the image encoder", at(tile.box))
        if memory is not None:
            seen = torch.from_numpy(memory.nearest(seen[0].numpy(), plan.recipe.texture_count))
        shown.append(seen)
    return ImagePrompts(embeddings=torch.stack(shown))
