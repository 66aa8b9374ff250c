"""A kind of tagger: one object that says all that is known of taggers of one make, and that loads them.

It is found by the ``model_type`` of a folder's config.json, or, for one that needs no files of the user's, by its own
name. A kind from outside is such an object in a package of its own, with an entry point in the group
``gigatile.taggers`` that is called alike; see examples/outside.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from pipeline.prompts.tagging import PLAIN, Manner, Tagger, TaggerCard, Tagging


class Load(Protocol):
    """Makes a tagger."""

    def __call__(self, card: TaggerCard, tagging: Tagging, *, device: str, captions: str) -> Tagger:
        """On ``device`` (cpu or cuda); ``captions``: ``short`` or ``detailed``, for those that know both."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TaggerKind:
    """Taggers of one make."""

    name: str
    load: Load
    manner: Manner = PLAIN
    describe: Callable[[], TaggerCard] | None = None
    """the card of one that needs no files of the user's, which is then asked for by its name"""
    network: Any = None
    """transformers' class of its network, which a folder of it is held against; None where there is none"""
