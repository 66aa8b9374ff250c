"""Image prompts in the run store: what a region's tiles are shown, and the memory of textures that it may come from.

cond/image-prompts/<region>.npz   embeddings of what each of the region's tiles is shown
cond/textures.npz                 the memory, put there by the driver before any worker starts
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

import torch

from pipeline.models.protocol import Backbone
from pipeline.plan.plan import Plan
from pipeline.prompts.textures import TextureMemory, memory_from_bytes
from pipeline.tasks.image_prompts import ImagePrompts, image_prompts_from_bytes, look_at_tiles
from pipeline.tasks.prepare import Preparer
from storage.box import Box
from storage.run import RunStore

from .blobs import Blobs, damaged_blob
from .layout import TEXTURES_BLOB, image_prompt_blob


class StoredImagePrompts:
    """Makes, keeps and reads the image prompts of regions."""

    def __init__(
        self,
        store: RunStore,
        plan: Plan,
        preparer: Preparer,
        in_backbone: Callable[[], AbstractContextManager[Backbone]],
        blobs: Blobs,
    ) -> None:
        self._store, self._plan, self._preparer, self._in_backbone = store, plan, preparer, in_backbone
        self._blobs = blobs
        self._memory: TextureMemory | None = None

    def look(self, region: int) -> ImagePrompts:
        """Look at what lies under each tile of the region, and keep what its tiles are shown."""
        tiles = self._plan.tiles.owned_by(self._plan.regions.box(region))
        if self._plan.textures is None:
            made = look_at_tiles(self._plan, tiles, self._enlarged, self._in_backbone)
        else:
            # what a tile looks like without the input's damage: the keys of the memory are such pictures
            made = look_at_tiles(self._plan, tiles, self._preparer.coarse_pixels, self._in_backbone, self._textures())
        self._blobs.put(image_prompt_blob(region), made.to_bytes(region))
        return made

    def read(self, region: int) -> ImagePrompts:
        data = self._blobs.get(image_prompt_blob(region))
        # not prepared, lost or damaged with a machine's page cache: looking again gives the same numbers
        kept = None if data is None else image_prompts_from_bytes(data, region)
        return self.look(region) if kept is None else kept

    def _enlarged(self, box: Box) -> torch.Tensor:
        """The enlarged input over a box of latent pixels: RGB ``[3, H, W]`` in [0, 1]."""
        return self._preparer.enlarged(box.scaled(self._plan.geometry.factor))

    def _textures(self) -> TextureMemory:
        if self._memory is None:
            data = self._blobs.get(TEXTURES_BLOB)
            memory = None if data is None else _intact_memory(data, self._plan)
            if memory is None:
                raise damaged_blob(self._store, TEXTURES_BLOB)
            self._memory = memory
        return self._memory


def _intact_memory(data: bytes, plan: Plan) -> TextureMemory | None:
    """The memory that the plan names; None where the bytes are not it."""
    try:
        memory = memory_from_bytes(data)
    except (ValueError, KeyError):
        return None
    return memory if memory.sha256 == plan.textures else None
