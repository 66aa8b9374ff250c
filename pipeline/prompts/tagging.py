"""What says which words hold for a crop of the input: the protocol, and what a plan must know of a tagger.

A model may bring a tagger of its own (the embedded one does). Any other is chosen apart from the model: ``embedded``
is the embedded model's, ``zero-shot`` ones (SigLIP, CLIP) weigh the phrases of a vocabulary, ``captioners`` (BLIP,
Florence-2) write a sentence.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch

from .vocabulary import Vocabulary, default_vocabulary

ZERO_SHOT = ("siglip", "clip")
CAPTIONERS = ("blip", "florence2")
KINDS = (*ZERO_SHOT, *CAPTIONERS)
"""``model_type`` of a transformers config that there is a tagger for"""

THRESHOLDS = {"embedded": 0.0, "siglip": 0.02, "clip": 0.5, "blip": 0.0, "florence2": 0.0}
"""least probability of a phrase that is said, where a recipe leaves it open. SigLIP's sigmoid is low for short words;
CLIP's is against a neutral sentence, so one half is the even point; neither is calibrated on our pictures. The embedded
one has its own"""
MOST = {"embedded": 0, "siglip": 8, "clip": 8, "blip": 0, "florence2": 0}
"""most phrases of content, where a recipe leaves it open; 0 says all"""
CLEAN = "clean"
"""the one word that speaks of neither content nor damage"""


class Tagger(Protocol):
    """Names what is in a picture. The same crop gets the same words whatever else is tagged beside it."""

    def tag(self, low: torch.Tensor) -> list[list[tuple[str, float]]]:
        """Phrases for each of ``low [B, 3, y, x]`` in [0, 1], with their probabilities, the surest first."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class TaggerCard:
    """A tagger on this machine, described without loading a weight."""

    name: str
    """what the user asked for: embedded, a folder or a hub id"""
    kind: str
    """embedded, or one of KINDS"""
    location: str
    """its folder"""
    fingerprint: str
    """sha256 over every config, tokenizer and weight file, by relative name"""
    parameters: int
    """number of weights"""
    phrases: tuple[str, ...] = ()
    """of content, that it was trained to say; none for one that takes a vocabulary or writes its own"""
    degradations: tuple[str, ...] = ()
    """of damage, likewise"""
    dropped: tuple[str, ...] = ()
    """what of its files nobody reads, a line each; only where the user let it pass"""

    @property
    def strict(self) -> bool:
        """Whether every weight and setting of its files is read."""
        return not self.dropped


@dataclass(frozen=True, slots=True, kw_only=True)
class Tagging:
    """What a plan keeps of a tagger: all of it that can change a word."""

    kind: str
    fingerprint: str
    parameters: int
    phrases: tuple[str, ...]
    """of content, that it chooses from; none for a captioner"""
    degradations: tuple[str, ...]
    """of damage, likewise"""
    dropped: tuple[str, ...] = ()
    """what of its files nobody reads, a line each"""


def make_tagging(card: TaggerCard, vocabulary: Vocabulary | None) -> Tagging:
    """A tagger with its vocabulary, the package's own where none is given; ValueError for one that reads none."""
    if card.kind not in ZERO_SHOT:
        if vocabulary is not None:
            raise ValueError(
                f"--vocabulary: the tagger {card.name} ({card.kind}) says its own words: leave the vocabulary out"
            )
        vocabulary = Vocabulary(phrases=card.phrases, degradations=card.degradations)
    vocabulary = vocabulary or default_vocabulary()
    return Tagging(
        kind=card.kind,
        fingerprint=card.fingerprint,
        parameters=card.parameters,
        phrases=vocabulary.phrases,
        degradations=vocabulary.degradations,
        dropped=card.dropped,
    )


def is_content(phrase: str, degradations: tuple[str, ...]) -> bool:
    """Whether a phrase speaks of what is there, not of damage or its absence."""
    return phrase != CLEAN and phrase not in degradations
