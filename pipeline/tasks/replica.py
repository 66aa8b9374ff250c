"""Replica: the model of one process, lent to one computation at a time, and what it was lent for.

Two threads of a worker share it: one reads and writes while the other computes.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from pipeline.models.protocol import Backbone
from pipeline.prompts.tagging import Tagger


class Replica:
    """A backbone and the tagger beside it; the counts are those of the calling thread."""

    def __init__(self, backbone: Backbone, tagger: Callable[[Backbone], Tagger]) -> None:
        """``tagger`` gives the plan's tagger, which may be the backbone, and is loaded when it is first asked for."""
        self.backbone, self._tagger = backbone, tagger
        self.alone = threading.RLock()
        """held by whoever computes: the other thread's model call would fight over the same cores or GPU"""
        self.goldens: dict[tuple[Any, ...], int] = {}
        """crc32c of predictions for a fixed input, by all that was asked; see actors/work/golden.py"""
        self._counts = threading.local()
        self.start_count()

    @contextmanager
    def lend(self) -> Iterator[Backbone]:
        """The model, for one computation, which is timed."""
        with self.alone:
            started = time.perf_counter()
            yield self.backbone
            self._counts.seconds = self.seconds + time.perf_counter() - started

    @contextmanager
    def lend_tagger(self) -> Iterator[Tagger]:
        """The tagger, likewise."""
        with self.lend() as backbone:
            yield self._tagger(backbone)

    def start_count(self) -> None:
        """Count anew, in this thread."""
        self._counts.seconds, self._counts.forwards = 0.0, 0

    def count(self, forwards: int) -> None:
        """Note that so many tiles go through the model."""
        self._counts.forwards = self.forwards + forwards

    @property
    def seconds(self) -> float:
        """Inside the model, since this thread's ``start_count``."""
        return float(getattr(self._counts, "seconds", 0.0))

    @property
    def forwards(self) -> int:
        """Tiles that went through the model, likewise: padding and both branches of guidance included."""
        return int(getattr(self._counts, "forwards", 0))
