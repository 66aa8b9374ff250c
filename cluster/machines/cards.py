"""Cards of models, for jobs that share them: each model is described once, for which its files are hashed."""

from __future__ import annotations

import threading

from pipeline.models.card import ModelCard
from pipeline.models.registry import describe_model


class Cards:
    """The cards of models, from several threads."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, bool, bool], ModelCard] = {}
        self._lock = threading.Lock()

    def describe(self, name: str, *, allow_pickle: bool, strict: bool) -> ModelCard:
        """A model's card, as it was when it was first asked for. Raises what describe_model raises."""
        asked = name, allow_pickle, strict
        with self._lock:
            if asked not in self._known:
                self._known[asked] = describe_model(name, allow_pickle=allow_pickle, strict=strict)
            return self._known[asked]
