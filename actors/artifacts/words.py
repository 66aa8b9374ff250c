"""Attention to words in the run store: its sums while a stage runs, and where words hold for the stages after it.

words/s0007        maps of attention summed over the steps before, beside z of that step; one chunk a region
cond/words.npz     the first stage's maps, put there by the driver before any worker of a later stage starts
"""

from __future__ import annotations

import threading
from collections.abc import Sequence

import numpy as np

from pipeline.plan.plan import Plan
from pipeline.prompts.text_limit import TextLimit
from pipeline.prompts.words import WordMasks, mask_words
from pipeline.tasks.contribution import Contribution
from pipeline.tasks.word_sums import average_words, map_shape
from storage.archive import archive_from_bytes, archive_to_bytes
from storage.run import RunStore

from .blobs import Blobs, damaged_blob
from .layout import WORDS_BLOB, words_name


def read_words(store: RunStore, plan: Plan) -> bytes:
    """What a stage that has run found, for the stores of later stages: see WORDS_BLOB."""
    array = store.open_array(words_name(plan.num_steps))
    maps = array.read(array.grid.canvas) / np.float32(plan.num_steps)
    return archive_to_bytes({"maps": maps})


class StoredWords:
    """Sums the maps of one run, and reads those of the first stage."""

    def __init__(self, store: RunStore, plan: Plan, limit: TextLimit, blobs: Blobs) -> None:
        self._store, self._plan, self._limit, self._blobs = store, plan, limit, blobs
        self._masks: WordMasks | None = None
        self._lock = threading.Lock()

    def add(self, step: int, region: int, contributions: Sequence[Contribution]) -> int:
        """Add a step's maps over a region to the sum of the steps before; returns its crc32c."""
        _, cell = map_shape(self._plan.geometry)
        sums = average_words(contributions, self._plan.regions.box(region), cell)
        if step > 0:
            sums = self._store.open_array(words_name(step)).read_region(region) + sums
        return self._store.open_array(words_name(step + 1)).write(region, sums)

    def masks(self) -> WordMasks:
        """Where the words of the prompt hold, as far as the text encoders read it."""
        with self._lock:
            if self._masks is None:
                data = self._blobs.get(WORDS_BLOB)
                if data is None:
                    raise damaged_blob(self._store, WORDS_BLOB)
                maps = archive_from_bytes(data)["maps"]
                prompt = self._limit.cut(self._plan.recipe.prompts.text).prompt
                self._masks = mask_words(prompt, self._limit.split(prompt), maps)
            return self._masks
