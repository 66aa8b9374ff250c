"""Local prompts: what the tagger says of the input under each tile, in the words that the text encoder knows.

"Zoomed In, Diffused Out" (arXiv 2411.12072, section 3) gives every tile the degradation-aware prompt of its own crop
instead of one prompt for the picture. Tags and tiles share one grid here, whatever the size of the image. The prompts
steer the restoration module too, where it can be steered: at each input pixel by all prompts of the tiles over it,
blended with the weights that their predictions are averaged with, so that no seam can come of it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

import numpy as np
import torch

from pipeline.geometry.blend import axis_window
from pipeline.geometry.tiles import Tile
from pipeline.imaging.finite import finite_table
from pipeline.models.protocol import Backbone, SteeringBackbone
from pipeline.plan.emptiness import is_tile_empty
from pipeline.plan.plan import Plan
from pipeline.prompts.context import widen
from pipeline.prompts.record import PromptRecord
from pipeline.prompts.tagging import is_content
from pipeline.prompts.text_limit import TextLimit, split_phrases
from pipeline.prompts.words import WordMasks
from storage.box import Box

from .crop_tags import CropTags, Tags, tagged_crop

REMEMBERED = 4096
"""tiles whose prompts a process remembers: neighbouring regions ask for the same ones"""
PARENT_WEIGHT = 0.5
"""how much of a probability is left, a level of context"""


@dataclass(frozen=True, slots=True)
class TilePrompt:
    """The two prompts of one tile, not yet cut to what the text encoders read."""

    prompt: str
    negative: str | None = None
    """None where it is the recipe's own"""


def say(tags: Sequence[tuple[str, float]], prompt: str, *, tags_first: bool = False) -> dict[str, float]:
    """The user's own phrases, which are sure, then the tags with their probabilities; each phrase once.

    Joined by commas it is the tile's prompt: what is too long loses tags. With ``tags_first`` they come before the
    user's own, which are cut then.

    >>> say([("flat roof", 0.9), ("strong blur", 0.7)], "water, flat  roof")
    {'water': 1.0, 'flat roof': 1.0, 'strong blur': 0.7}
    """
    asked = dict.fromkeys(split_phrases(prompt), 1.0)
    others = {phrase: sure for phrase, sure in tags if phrase not in asked}
    return {**others, **asked} if tags_first else asked | others


class Prompter:
    """The prompt of any tile of a plan, and what the prompts say at any input pixel."""

    def __init__(
        self,
        plan: Plan,
        in_backbone: Callable[[], AbstractContextManager[Backbone]],
        tags: CropTags,
        global_tags: Callable[[], Tags],
        word_masks: Callable[[], WordMasks],
    ) -> None:
        """``in_backbone`` lends the model for one computation; ``global_tags`` gives what ``tags`` found all over,
        once for the whole run; ``word_masks`` where the words of the prompt hold, by the first stage."""
        self.plan, self._in_backbone, self._tags = plan, in_backbone, tags
        self._global_tags, self._word_masks = global_tags, word_masks
        self.phrases = functools.lru_cache(REMEMBERED)(self._phrases)
        """the phrases of a tile's prompt and how sure they are: the same in whichever process they are asked for"""

    def _phrases(self, tile: Tile) -> dict[str, float]:
        plan = self.plan
        if plan.recipe.prompts.source == "global":
            return say([], plan.recipe.prompts.text)
        if plan.recipe.prompts.source == "attention":
            return say([], self._word_masks().prompt_of(tile.box, plan.regions.canvas, plan.recipe.prompts.word_share))
        if is_tile_empty(plan, tile.box):
            return say([], plan.recipe.prompts.text)
        crop = tagged_crop(tile, plan.scale, plan.geometry.factor, plan.source)
        tags = self._own_tags(crop)
        for level in range(1, plan.recipe.prompts.parents + 1):
            tags += self._parent_tags(crop, level, {phrase for phrase, _ in tags})
        return say(tags, plan.recipe.prompts.text, tags_first=plan.recipe.prompts.tags_first)

    def _own_tags(self, crop: Box) -> Tags:
        """A tile's own tags, the surest first; where none of content is sure enough, the whole image's content."""
        tags = self._tags.of(crop)
        content = self._tags.content(tags)
        damage = [pair for pair in tags if not is_content(pair[0], self.plan.degradations)]
        if max((sure for _, sure in content), default=0.0) < self.plan.recipe.prompts.least_confidence:
            return sorted(self._global_tags() + damage, key=lambda pair: -pair[1])
        return [pair for pair in tags if pair in content or pair in damage]

    def _parent_tags(self, crop: Box, level: int, known: set[str]) -> Tags:
        """Content of the wider picture round a crop. Not its damage: shrinking hides noise and blur."""
        parent, by = widen(crop, level, self.plan.source)
        weight = PARENT_WEIGHT**level
        content = self._tags.content(self._tags.of(parent, by))
        return [(phrase, sure * weight) for phrase, sure in content if phrase not in known]

    def prompt(self, tile: Tile) -> TilePrompt:
        """What a tile's prediction is guided towards and away from. No tag is both: the user's own words count."""
        recipe = self.plan.recipe
        asked, away = say([], recipe.prompts.text), split_phrases(recipe.prompts.negative)
        phrases = [phrase for phrase in self.phrases(tile) if phrase in asked or phrase not in away]
        if recipe.prompts.degradations == "prompt":
            return TilePrompt(", ".join(phrases))
        damage = [phrase for phrase in phrases if phrase in self.plan.degradations and phrase not in asked]
        prompt = ", ".join(phrase for phrase in phrases if phrase not in damage)
        return TilePrompt(prompt, ", ".join([*away, *damage]) if damage else None)

    def steering(self, window: Box) -> torch.Tensor:
        """[phrases, y, x]: how far each phrase of the restoration module holds at the input pixels of ``window``."""
        plan = self.plan
        places = (latents_under(window.top, window.bottom, plan), latents_under(window.left, window.right, plan))
        tiles = plan.prompt_tiles.touching(_spanned(*places))
        # before the model is taken: it reads pixels, and takes the model itself
        prompts = [self.phrases(tile) for tile in tiles]
        with self._in_backbone() as backbone:
            assert isinstance(backbone, SteeringBackbone)
            words = backbone.steering(prompts)
        return blend_words(words, tiles, plan.recipe.tiles.blend, *places)


def encode_prompt(backbone: Backbone, limit: TextLimit, text: str) -> PromptRecord:
    """A prompt as far as it is read, encoded by itself: its numbers are the same whatever else is said in the run."""
    cut = limit.cut(text)
    made = finite_table(backbone.embed([cut.prompt]), "the text encoder", f"for the prompt {cut.prompt!r}")
    embeddings = {name: rows[0] for name, rows in made.items()}
    return PromptRecord(text=text, kept=cut.prompt, dropped=cut.dropped, embeddings=embeddings)


def latents_under(first: int, last: int, plan: Plan) -> np.ndarray:
    """The latent pixel under the middle of each input pixel from ``first`` up to ``last``, along one axis."""
    return (2 * np.arange(first, last) + 1) * plan.scale // (2 * plan.geometry.factor)


def _spanned(ys: np.ndarray, xs: np.ndarray) -> Box:
    """From ys[0], xs[0] to ys[-1], xs[-1]."""
    top, left = int(ys[0]), int(xs[0])
    return Box(top=top, left=left, height=int(ys[-1]) - top + 1, width=int(xs[-1]) - left + 1)


def blend_words(rows: torch.Tensor, tiles: list[Tile], blend: str, ys: np.ndarray, xs: np.ndarray) -> torch.Tensor:
    """[phrases, y, x] at latent pixels ys, xs from ``rows`` [tiles, phrases]: means by the tiles' blend weights."""
    total, weights = torch.zeros(rows.shape[1], len(ys), len(xs)), torch.zeros(len(ys), len(xs))
    for tile, words in zip(tiles, rows, strict=True):
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
