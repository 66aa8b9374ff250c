"""Prompts from attention: which words of a prompt a tile of a later stage keeps (AccDiffusion, arXiv 2407.10738).

From the maps of a first, small picture (models/attention/word_maps.py), the mean over its steps: a word holds where its
map is above its own mean, specks removed; a tile keeps the words that hold in at least a share c of it. Unlike the
published code, which decides for each piece that a tokenizer makes and joins pieces by blanks, words are decided whole;
a word's share is that of the tile and not of the map, so pictures need not be square; and a tile that keeps no word has
the whole prompt, where the published code gives it the empty one.

Articles and words that only join others are not looked for in the picture: they follow the words beside them.

Shape legend: T tokens, h_l w_l positions of the maps, W words.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.nn.functional import max_pool2d

from storage.box import Box

SPECK = 16
"""a speck is what an opening removes whose radius is this part of the maps' shorter side"""
_ARTICLES = "a an the this that these those its his her their some"
_LINKS = """
and or with without of in on at by for from to into onto over under above below near beside between behind before around
through across along against up down out off as like is are be
"""
ARTICLES, LINKS = frozenset(_ARTICLES.split()), frozenset(_LINKS.split())
"""articles are kept with the word after them, joining words between two words that are"""


@dataclass(frozen=True, slots=True)
class Word:
    """One word of a prompt."""

    text: str
    phrase: int
    """which of the prompt's phrases it is in, between commas"""
    tokens: tuple[int, ...]
    """places of its pieces among the prompt's tokens; none where the text encoder does not read so far"""

    @property
    def is_content(self) -> bool:
        """Whether it can be seen in a picture."""
        return self.text.lower() not in ARTICLES | LINKS


def split_words(prompt: str, tokenizer: Any, text_tokens: int) -> list[Word]:
    """The words of ``prompt`` with their tokens; ``text_tokens`` are read of them, start and end included.

    Commas part phrases; other marks between words are left out.
    """
    tokens = tokenizer(prompt, return_offsets_mapping=True, truncation=True, max_length=text_tokens)
    spans = tokens["offset_mapping"]
    words = []
    for match in re.finditer(r"[^\s,.;:!?()\"]+", prompt):
        first, last = match.span()
        pieces = [place for place, (start, end) in enumerate(spans) if start < end and start < last and first < end]
        words.append(Word(text=match.group(), phrase=prompt.count(",", 0, first), tokens=tuple(pieces)))
    return words


def find_masks(maps: np.ndarray, words: Sequence[Word]) -> np.ndarray:
    """Where each word holds: maps [T, h_l, w_l] float32 -> [W, h_l, w_l] bool.

    A word's map is the mean of its pieces'; it holds above the mean of its map, after an opening. A word that is not
    content, or not read, holds nowhere.
    """
    masks = np.zeros((len(words), *maps.shape[1:]), dtype=bool)
    for mask, word in zip(masks, words, strict=True):
        if word.is_content and word.tokens:
            # float64: a flat map must not be above its own mean by rounding
            word_map = maps[list(word.tokens)].astype(np.float64).mean(0)
            mask[:] = open_mask(word_map > word_map.mean(), min(maps.shape[1:]) // SPECK)
    return masks


def open_mask(mask: np.ndarray, radius: int) -> np.ndarray:
    """[y, x] bool: what squares of 2 radius + 1 a side fit into: shrunk and grown again by ``radius``.

    What lies outside neither shrinks nor grows it.

    >>> speck = np.zeros((8, 8), dtype=bool)
    >>> speck[3, 3] = True
    >>> bool(open_mask(speck, 1).any()), bool(open_mask(~speck, 1)[0, 0])
    (False, True)
    """
    side = 2 * radius + 1
    solid = torch.from_numpy(mask.astype(np.float32))[None]
    shrunk = -max_pool2d(-solid, side, stride=1, padding=radius)
    grown: np.ndarray = max_pool2d(shrunk, side, stride=1, padding=radius)[0].numpy() > 0.5
    return grown


def word_shares(masks: np.ndarray, tile: Box, canvas: Box) -> np.ndarray:
    """[W]: the share of a tile in which each word holds; of the part of the tile that is on the canvas.

    The masks [W, h_l, w_l] lie over the whole ``canvas``, whose latent pixels each take the nearest position.
    """
    overlap = tile.intersection(canvas)
    assert overlap is not None
    ys = _nearest(overlap.top, overlap.bottom, canvas.height, masks.shape[1])
    xs = _nearest(overlap.left, overlap.right, canvas.width, masks.shape[2])
    shares: np.ndarray = masks[:, ys][:, :, xs].mean((1, 2))
    return shares


def _nearest(first: int, last: int, length: int, positions: int) -> np.ndarray:
    """Positions under the middles of the latent pixels from ``first`` up to ``last`` of ``length``."""
    return (2 * np.arange(first, last) + 1) * positions // (2 * length)


def keep_words(words: Sequence[Word], kept: Sequence[bool]) -> str:
    """The prompt of the kept content words, in their order, with the small words that go with them.

    ``kept``: one truth a word, of which only those of content words count. A joining word stays where the content words
    on both of its sides do, an article where the one after it does. Nothing kept is the empty string.

    >>> texts = "a cute corgi on the lawn".split()
    >>> words = [Word(text, 0, (place,)) for place, text in enumerate(texts)]
    >>> keep_words(words, [False, False, True, False, False, True]), keep_words(words, [False] * 5 + [True])
    ('corgi on the lawn', 'the lawn')
    """
    phrases = []
    for phrase in dict.fromkeys(word.phrase for word in words):
        inside = [place for place, word in enumerate(words) if word.phrase == phrase]
        texts = _keep_phrase([words[place] for place in inside], [kept[place] for place in inside])
        phrases += [" ".join(texts)] if texts else []
    return ", ".join(phrases)


def _keep_phrase(words: list[Word], kept: list[bool]) -> list[str]:
    texts: list[str] = []
    waiting: list[Word] = []
    follows = False
    for word, stays in zip(words, kept, strict=True):
        if not word.is_content:
            waiting.append(word)
            continue
        if stays:
            texts += [small.text for small in (waiting if follows else _articles_before(waiting))] + [word.text]
        waiting, follows = [], stays
    return texts


def _articles_before(small: list[Word]) -> list[Word]:
    """The articles at the end of a row of small words."""
    first = len(small)
    while first and small[first - 1].text.lower() in ARTICLES:
        first -= 1
    return small[first:]


@dataclass(frozen=True, slots=True)
class WordMasks:
    """A prompt, and where its words hold on any canvas of the same picture."""

    prompt: str
    words: tuple[Word, ...]
    masks: np.ndarray
    """[W, h_l, w_l] bool"""

    def prompt_of(self, tile: Box, canvas: Box, share: float) -> str:
        """The prompt of a tile: the words that hold in at least ``share`` of it; the whole prompt where none does."""
        kept = word_shares(self.masks, tile, canvas) >= share
        return keep_words(self.words, kept.tolist()) or self.prompt


def mask_words(prompt: str, words: Sequence[Word], maps: np.ndarray) -> WordMasks:
    """Read maps [T, h_l, w_l] float32, the mean over a stage's steps, for the prompt that they were recorded under."""
    return WordMasks(prompt=prompt, words=tuple(words), masks=find_masks(maps, words))
