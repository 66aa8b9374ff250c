"""What comes before the first step: prompts embedded, regions tagged, looked at, judged and encoded, into the store."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from actors.artifacts.blobs import BLOBS, Blobs
from actors.artifacts.image_prompts import StoredImagePrompts
from actors.artifacts.layout import COARSE, DIFFICULTY, GLOBAL_TAGS_BLOB, PROMPTS_ARRAY, image_prompt_blob
from actors.artifacts.own_prompts import OwnPrompts
from actors.artifacts.prompts import PromptStore, RegionPrompts
from actors.artifacts.reductions import StoredReductions
from actors.artifacts.tagging import GlobalTags
from pipeline.plan.emptiness import is_region_empty
from pipeline.plan.plan import Plan
from pipeline.tasks.activity import count_active
from pipeline.tasks.contribution import Contribution
from pipeline.tasks.local_prompts import Prompter
from pipeline.tasks.prepare import Preparer
from pipeline.tasks.reduce import Table
from storage.box import Box
from storage.run import RunStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What one task did; see Outcome."""

    crc32c: int = 0
    extra: dict[str, Any] = field(default_factory=dict)
    active: tuple[int, ...] = ()
    contributions: list[Contribution] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Preparation:
    """Prepares the regions of one plan."""

    store: RunStore
    plan: Plan
    blobs: Blobs
    own_prompts: OwnPrompts
    global_tags: GlobalTags
    prompter: Prompter
    prompts: PromptStore
    preparer: Preparer
    images: StoredImagePrompts
    reductions: StoredReductions

    def embed(self) -> Done:
        """The plan's own prompts, and what is seen all over the image where tiles may need it."""
        kept = {}
        if self.plan.recipe.prompts.least_confidence > 0:
            self.global_tags.find()
            kept[GLOBAL_TAGS_BLOB] = self.blobs.sum(GLOBAL_TAGS_BLOB)
        return Done(crc32c=self.own_prompts.embed(), extra={BLOBS: kept} if kept else {})

    def prepare(self, region: int) -> Done:
        """A region's coarse latent, and before it is there, all else that its later tasks read."""
        plan, recipe = self.plan, self.plan.recipe
        extra, kept = dict[str, Any](), dict[str, int]()
        active: tuple[int, ...] = ()
        box = plan.regions.box(region)
        is_empty = is_region_empty(plan, region)
        coarse, difficulty = self._empty(box) if is_empty else self.preparer.prepare(box, self._statistics())
        if recipe.prompts.source != "global" and plan.prompt_tiles.owned_by(box):
            extra[PROMPTS_ARRAY], kept = self._prompt(region)
        if recipe.image_prompts.source != "none" and plan.tiles.owned_by(box) and not is_empty:
            self.images.look(region)
            kept[image_prompt_blob(region)] = self.blobs.sum(image_prompt_blob(region))
        if difficulty is not None:
            extra[DIFFICULTY] = self.store.open_array(DIFFICULTY).write(region, difficulty)
            tiles = plan.tiles.owned_by(box)
            active = tuple(count_active(recipe, tiles, box, difficulty[0], plan.timesteps))
        if kept:
            extra[BLOBS] = kept
        return Done(crc32c=self.store.open_array(COARSE).write(region, coarse), extra=extra, active=active)

    def _statistics(self) -> Table:
        return self.reductions.table("encode")

    def _empty(self, box: Box) -> tuple[np.ndarray, np.ndarray | None]:
        """What there is of a region without data: nothing that is read for a pixel that is data."""
        plan = self.plan
        difficulty = np.zeros((1, *box.shape), np.float32) if plan.has_difficulty else None
        return np.zeros((plan.geometry.channels, *box.shape), np.float32), difficulty

    def _prompt(self, region: int) -> tuple[int, dict[str, int]]:
        """Tag the input under each tile of the region and keep the prompts; written before the coarse latent is.

        Returns the checksum of their table, and those of the blobs that hold them.
        """
        tiles = self.plan.prompt_tiles.owned_by(self.plan.regions.box(region))
        prompts = [self.prompter.prompt(tile) for tile in tiles]
        return self.prompts.write(region, prompts), self.prompts.sums(prompts)

    def local_prompts(self, region: int) -> RegionPrompts:
        """The prompts of a region's prompt windows."""
        kept = self.prompts.read(region)
        if kept is None:
            # lost with a machine's page cache: tagging again gives the same words
            self._prompt(region)
            kept = self.prompts.read(region)
        assert kept is not None
        return kept
