"""Image prompts: pictures that tiles are conditioned on beside their words, as embeddings of the model's image encoder.

``tile``      Each tile is prompted by the enlarged input under it: what the place looks like, in no words.
``textures``  Each tile is prompted by sharp reference textures, those whose coarse pictures look most like the tile's:
              PatchScaler's texture prompts (see textures.py).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

import numpy as np
import torch

from pipeline.geometry.tiles import Tile
from pipeline.imaging.finite import at, finite
from pipeline.models.protocol import Backbone, LookingBackbone
from pipeline.plan.plan import Plan
from pipeline.prompts.textures import TextureMemory
from storage.archive import archive_from_bytes, archive_to_bytes
from storage.box import Box


@dataclass(frozen=True, slots=True, kw_only=True)
class ImagePrompts:
    """The image prompts of a region's tiles."""

    embeddings: torch.Tensor
    """[tiles, K, ...] float32: K pictures a tile, in row-major tile order; see Conditioning.image"""

    def of(self, indices: Sequence[int]) -> torch.Tensor:
        """Those of tiles by their place among the region's tiles, first axis the tile."""
        return self.embeddings[list(indices)]

    def to_bytes(self, region: int) -> bytes:
        """With the region's number, so that those of one region are not taken for another's."""
        return archive_to_bytes({"region": np.array(region), "embeddings": self.embeddings.numpy()})


def image_prompts_from_bytes(data: bytes, region: int) -> ImagePrompts | None:
    """What ``to_bytes`` wrote of this region; None where the bytes are damaged, or another region's."""
    try:
        table = archive_from_bytes(data)
        is_of_region = bool(table["region"].shape == () and table["region"] == region)
        return ImagePrompts(embeddings=torch.from_numpy(table["embeddings"])) if is_of_region else None
    except (ValueError, KeyError, TypeError):
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
            embedding = finite(backbone.look(pixels[None]), "the image encoder", at(tile.box))
        if memory is not None:
            values, likeness = memory.likest(embedding[0].numpy(), plan.recipe.image_prompts.count)
            if plan.recipe.image_prompts.likeness:
                # what is unlike is no texture of this tile at all
                values = values * likeness.clip(0, 1)[:, None]
            embedding = torch.from_numpy(values)
        shown.append(embedding)
    return ImagePrompts(embeddings=torch.stack(shown))
