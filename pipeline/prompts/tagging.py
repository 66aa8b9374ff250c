"""What says which words hold for a crop of the input: the protocol, and what a plan must know of a tagger.

A model may bring a tagger of its own (the embedded one does). Any other is chosen apart from the model: ``embedded``
is the embedded model's, ``zero-shot`` ones (SigLIP, CLIP) weigh the phrases of a vocabulary, ``captioners`` (BLIP,
Florence-2) write a sentence.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import torch

from .vocabulary import Vocabulary, default_vocabulary


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How a kind of tagger speaks, and what a recipe that leaves it open takes of that."""

    threshold: float = 0.0
    """least probability of a phrase that is said"""
    most: int = 0
    """most phrases of content; 0 says all"""
    takes_vocabulary: bool = False
    """whether it chooses from phrases that it is given"""
    writes: bool = False
    """whether it says any words there are, in sentences"""
    details: bool = False
    """whether it knows detailed captions beside short ones"""


PLAIN = Manner()
"""says all phrases of its own"""
MANNERS = {
    "embedded": PLAIN,
    # a sigmoid is low for short words
    "siglip": Manner(threshold=0.02, most=8, takes_vocabulary=True),
    # against a neutral sentence one half is the even point
    "clip": Manner(threshold=0.5, most=8, takes_vocabulary=True),
    "blip": Manner(writes=True),
    "florence2": Manner(writes=True, details=True),
}
"""of gigatile's own kinds; thresholds are not calibrated on our pictures, and the embedded one has its own"""
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
    """which kind loads it: see pipeline.taggers.kind"""
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
    manner: Manner = PLAIN
    packages: dict[str, str] = field(default_factory=dict)
    """the package that its kind comes from, with its version; empty where that is gigatile"""

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
    manner: Manner = PLAIN
    packages: dict[str, str] = field(default_factory=dict)
    """see TaggerCard"""


def make_tagging(card: TaggerCard, vocabulary: Vocabulary | None) -> Tagging:
    """A tagger with its vocabulary, the package's own where none is given; ValueError for one that reads none."""
    if not card.manner.takes_vocabulary:
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
        manner=card.manner,
        packages=card.packages,
    )


def is_content(phrase: str, degradations: tuple[str, ...]) -> bool:
    """Whether a phrase speaks of what is there, not of damage or its absence."""
    return phrase != CLEAN and phrase not in degradations
