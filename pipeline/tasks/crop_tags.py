"""Tags of crops of the input: under a tile, and all over the image."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

import numpy as np
import torch

from pipeline.geometry.tiles import Tile
from pipeline.imaging.finite import at, finite
from pipeline.imaging.pixels import source_window
from pipeline.plan.plan import Plan
from pipeline.prompts.context import LEAST_SIDE, read_shrunk, spread_tiles
from pipeline.prompts.tagging import Tagger, is_content
from storage.box import Box

GLOBAL_SHARE = 0.5
"""a tag is one of the whole image if its mean probability is at least this share of the surest one's"""
GLOBAL_TAGS = 8
"""most tags of the whole image"""

Tags = list[tuple[str, float]]
"""phrases with their probabilities"""


def tagged_crop(tile: Tile, scale: int, factor: int, source: Box) -> Box:
    """The input pixels under a tile, at least LEAST_SIDE a side where the image (``source``) allows."""
    crop = source_window(tile.box.scaled(factor), scale, source, halo=0)
    missing = max(0, LEAST_SIDE - min(crop.height, crop.width))
    return crop.grown(missing, source) if missing else crop


def mean_tags(tags_of_crops: Sequence[Tags]) -> Tags:
    """The tags of a whole image from those of crops all over it: phrases nearly as common as the commonest.

    >>> mean_tags([[("sea", 0.8)], [("sea", 0.6), ("ship", 0.2)]])
    [('sea', 0.7)]
    """
    total: dict[str, float] = {}
    for tags in tags_of_crops:
        for phrase, sure in tags:
            total[phrase] = total.get(phrase, 0.0) + sure
    means = sorted(
        ((phrase, summed / len(tags_of_crops)) for phrase, summed in total.items()), key=lambda pair: -pair[1]
    )
    return [(phrase, sure) for phrase, sure in means[:GLOBAL_TAGS] if sure >= GLOBAL_SHARE * means[0][1]]


@dataclass(frozen=True, slots=True, kw_only=True)
class CropTags:
    """What a plan's tagger, or its tag file, says of crops of the input."""

    plan: Plan
    read_rgb: Callable[[Box], torch.Tensor]
    """input pixels ``[3, y, x]`` of a window"""
    in_tagger: Callable[[], AbstractContextManager[Tagger]]
    """lends the tagger for one computation"""

    def of(self, crop: Box, by: int = 1) -> Tags:
        """What is said of a crop of the input, looked at ``by`` times as small, the surest first.

        Raises NotFiniteError where the tagger is not sure of anything in numbers.
        """
        if self.plan.tags is not None:
            return self.plan.tags.tags(crop)
        low = read_shrunk(self.read_rgb, crop, by)
        with self.in_tagger() as tagger:
            tags = tagger.tag(low[None])[0]
        finite(np.array([sure for _, sure in tags]), "the tagger", at(crop, "input pixels"))
        least = self.plan.recipe.prompts.tag_threshold
        assert least is not None
        return [(phrase, sure) for phrase, sure in tags if sure >= least]

    def content(self, tags: Tags) -> Tags:
        """The surest phrases of content: what is seen, not how it is damaged."""
        content = [pair for pair in tags if is_content(pair[0], self.plan.degradations)]
        return content[: self.plan.recipe.prompts.most_tags or None]

    def all_over(self) -> Tags:
        """The content of the whole image, as crops all over it have it; see ``mean_tags``."""
        plan = self.plan
        tiles = spread_tiles(plan.prompt_tiles)
        crops = [tagged_crop(tile, plan.scale, plan.geometry.factor, plan.source) for tile in tiles]
        return mean_tags([self.content(self.of(crop)) for crop in crops])
