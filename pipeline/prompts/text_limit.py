"""How much of a prompt a model's text encoders read, and what is cut where it is too long: whole phrases, from the end.

Text encoders cut a long prompt silently, in the middle of a word if need be. Here the words that fall off are known.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .tokenizer import read_tokenizer
from .words import Word, split_words


@dataclass(frozen=True, slots=True)
class Cut:
    """A prompt as it is encoded, and what fell off its end."""

    prompt: str
    dropped: tuple[str, ...] = ()
    """phrases; or the words of one phrase that alone is too long"""


def split_phrases(prompt: str) -> list[str]:
    """The phrases of a prompt, between its commas.

    >>> split_phrases("clean,  flat   roof, ")
    ['clean', 'flat roof']
    """
    phrases = (" ".join(phrase.split()) for phrase in prompt.split(","))
    return [phrase for phrase in phrases if phrase]


class TextLimit:
    """The tokenizers of a model's text encoders with the tokens that each encoder reads.

    Where there are several, words fall off when none of the encoders reads them.
    """

    def __init__(self, readers: Sequence[tuple[Any, int]]) -> None:
        self._readers = readers

    def fits(self, prompt: str) -> bool:
        if not self._readers:
            return True
        return any(len(tokenizer(prompt).input_ids) <= limit for tokenizer, limit in self._readers)

    def cut(self, prompt: str) -> Cut:
        """The prompt where it fits, else as many of its phrases as do; of one that alone does not, as many words."""
        if self.fits(prompt):
            return Cut(prompt)
        phrases = split_phrases(prompt)
        kept = self._longest(phrases, ", ")
        if kept:
            return Cut(", ".join(phrases[:kept]), tuple(phrases[kept:]))
        words = phrases[0].split() if phrases else []
        kept = self._longest(words, " ")
        return Cut(" ".join(words[:kept]), (*words[kept:], *phrases[1:]))

    def split(self, prompt: str) -> list[Word]:
        """The words of a prompt with their tokens, by the first tokenizer: text encoders side by side share them."""
        tokenizer, limit = self._readers[0]
        return split_words(prompt, tokenizer, limit)

    def _longest(self, parts: list[str], between: str) -> int:
        """How many parts from the first on fit together."""
        low, high = 0, len(parts)
        while low < high:
            middle = (low + high + 1) // 2
            if self.fits(between.join(parts[:middle])):
                low = middle
            else:
                high = middle - 1
        return low


def load_text_limit(location: str, text_tokens: int | None) -> TextLimit:
    """The limit of the model in a folder in diffusers' format; none for a model that reads no text.

    ``text_tokens``: as in LatentGeometry. A tokenizer that knows of fewer has fewer.
    """
    if text_tokens is None:
        return TextLimit([])
    home = Path(location)
    folders = [path for path in sorted(home.glob("tokenizer*")) if path.is_dir()]
    # a tokenizer whose encoder was left out reads nothing (Stable Diffusion 3 without T5)
    folders = [path for path in folders if (home / path.name.replace("tokenizer", "text_encoder")).is_dir()]
    readers = []
    for folder in folders:
        tokenizer = read_tokenizer(folder)
        readers.append((tokenizer, min(tokenizer.model_max_length, text_tokens)))
        # it only counts here: no warning of its own
        tokenizer.model_max_length = sys.maxsize
    return TextLimit(readers)
