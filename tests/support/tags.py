"""What the plain loop says of each tile; see tests.support.runs.serial."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import torch
from transformers import AutoTokenizer

from pipeline.models.registry import describe_model
from pipeline.taggers.loading import describe_tagger, load_tagger
from pipeline.tasks.crop_tags import tagged_crop
from pipeline.tasks.local_prompts import say
from storage.box import Box


class Tags:
    """What is said of each tile, in plain words: no cache, no store, crops by their corners."""

    def __init__(self, case: Any, backbone: Any, low: torch.Tensor) -> None:
        self.plan, self.model, self.low = case.plan, case.model, low
        self.tagger = backbone
        if case.tagger is not None:
            card, tagging = describe_tagger(case.tagger), case.plan.tagger
            assert tagging is not None
            self.tagger = load_tagger(card, tagging, device="cpu", captions=case.plan.recipe.prompts.captions)

    def look(self, box: Box, by: int = 1) -> list[tuple[str, float]]:
        """Tags of a crop, of which ``by x by`` pixels count as one."""
        if self.plan.tags is not None:
            return self.plan.tags.tags(box)
        pixels = self.low[:, *box.slices]
        pixels = pixels.reshape(3, box.height // by, by, box.width // by, by).mean((2, 4)) if by > 1 else pixels
        return [
            pair
            for pair in self.tagger.tag(pixels[None])[0]
            if pair[1] >= (self.plan.recipe.prompts.tag_threshold or 0)
        ]

    def is_content(self, phrase: str) -> bool:
        return phrase not in (*self.plan.degradations, "clean")

    def best(self, tags: list[tuple[str, float]]) -> list[tuple[str, float]]:
        content = [pair for pair in tags if self.is_content(pair[0])]
        return content[: self.plan.recipe.prompts.most_tags] if self.plan.recipe.prompts.most_tags else content

    def crop(self, row: int, col: int) -> Box:
        whole = Box(top=0, left=0, height=self.plan.image.height, width=self.plan.image.width)
        return tagged_crop(self.plan.prompt_tiles.tile(row, col), self.plan.scale, self.plan.geometry.factor, whole)

    @functools.cached_property
    def of_all(self) -> list[tuple[str, float]]:
        """Means over all tiles, which are few here."""
        tiles = self.plan.prompt_tiles
        crops = [self.crop(row, col) for row in range(len(tiles.tops)) for col in range(len(tiles.lefts))]
        found = [dict(self.best(self.look(crop))) for crop in crops]
        words = dict.fromkeys(word for one in found for word in one)
        means = {word: sum(one.get(word, 0.0) for one in found) / len(found) for word in words}
        most = max(means.values(), default=0.0)
        return sorted(((word, mean) for word, mean in means.items() if mean >= most / 2), key=lambda p: -p[1])[:8]

    def said(self, row: int, col: int) -> dict[str, float]:
        """The phrases of one tile's prompt."""
        recipe = self.plan.recipe
        if recipe.prompts.source == "global":
            return say([], recipe.prompts.text)
        box = self.crop(row, col)
        tags = self.look(box)
        best = self.best(tags)
        damage = [pair for pair in tags if not self.is_content(pair[0])]
        if not best or best[0][1] < recipe.prompts.least_confidence:
            best = self.of_all if recipe.prompts.least_confidence else best
        words = dict(sorted(best + damage, key=lambda pair: -pair[1]))
        if dict(tags).keys() == words.keys():
            words = dict(tags)
        for level in range(1, recipe.prompts.parents + 1):
            for phrase, sure in self.best(self.parent(box, level)):
                words.setdefault(phrase, sure / 2**level)
        return say(list(words.items()), recipe.prompts.text)

    def parent(self, box: Box, level: int) -> list[tuple[str, float]]:
        more = 2**level - 1
        top, left = max(0, box.top - box.height * more // 2), max(0, box.left - box.width * more // 2)
        bottom = min(self.plan.image.height, box.bottom + box.height * more // 2)
        right = min(self.plan.image.width, box.right + box.width * more // 2)
        by = max(1, min(2**level, (bottom - top) // 32, (right - left) // 32))
        height, width = (bottom - top) // by * by, (right - left) // by * by
        return self.look(Box(top=top, left=left, height=height, width=width), by)

    def both_prompts(self, row: int, col: int) -> tuple[str, str]:
        """The negative one and the positive one, as they are encoded."""
        recipe, said = self.plan.recipe, self.said(row, col)
        negative, prompt = recipe.prompts.negative, recipe.prompts.text
        if recipe.prompts.source != "global":
            own, away = ([phrase.strip() for phrase in text.split(",")] for text in (prompt, negative))
            words = [phrase for phrase in said if not (phrase in away and phrase not in own)]
            damage = [phrase for phrase in words if phrase in self.plan.degradations and phrase not in own]
            if recipe.prompts.degradations == "negative":
                words = [phrase for phrase in words if phrase not in damage]
                negative = ", ".join([negative, *damage] if negative else damage)
            prompt = ", ".join(words)
        return self.cut(negative), self.cut(prompt)

    @functools.cached_property
    def tokenizer(self) -> Any:
        return AutoTokenizer.from_pretrained(Path(describe_model(self.model).location) / "tokenizer")

    def cut(self, text: str) -> str:
        limit = self.plan.geometry.inputs.text_tokens
        if limit is None:
            return text
        while len(self.tokenizer(text, truncation=False).input_ids) > limit:
            text = text.rpartition(", ")[0]
        return text
