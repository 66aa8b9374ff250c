"""The plan's own prompts in the run store: embedded once, by one worker, and read by all.

cond/prompts.npz    the backbone's embeddings by name, two rows each: the negative prompt and the prompt
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import torch

from pipeline.models.protocol import Backbone
from pipeline.plan.plan import Plan
from pipeline.prompts.text_limit import TextLimit
from pipeline.tasks.denoise import PromptTable, embed_own
from storage.archive import archive_from_bytes, archive_to_bytes
from storage.run import RunStore

from .blobs import Blobs, damaged_blob
from .layout import PROMPT_BLOB


class OwnPrompts:
    """Embeds the prompts of one plan, and reads what was embedded."""

    def __init__(
        self,
        store: RunStore,
        plan: Plan,
        limit: TextLimit,
        in_backbone: Callable[[], AbstractContextManager[Backbone]],
        blobs: Blobs,
    ) -> None:
        """``in_backbone`` lends the model for one computation."""
        self._store, self._plan, self._limit, self._in_backbone = store, plan, limit, in_backbone
        self._blobs = blobs
        self._table: PromptTable | None = None

    def embed(self) -> int:
        """Write the embeddings; returns their crc32c."""
        recipe = self._plan.recipe
        negative, prompt = (self._limit.cut(text).prompt for text in (recipe.prompts.negative, recipe.prompts.text))
        with self._in_backbone() as backbone:
            table = embed_own(backbone, negative, prompt)
        arrays: dict[str, Any] = {name: tensor.numpy() for name, tensor in table.items()}
        return self._blobs.put(PROMPT_BLOB, archive_to_bytes(arrays))

    def table(self) -> PromptTable:
        """The embeddings; none of a model that reads no text."""
        if self._table is None:
            self._table = self._read()
        return self._table

    def _read(self) -> PromptTable:
        if self._plan.geometry.inputs.text_tokens is None:
            return PromptTable()
        data = self._blobs.get(PROMPT_BLOB)
        if data is None:
            # lost or damaged with a machine's page cache: embedding again gives the same numbers
            self.embed()
            data = self._blobs.get(PROMPT_BLOB)
        if data is None:
            raise damaged_blob(self._store, PROMPT_BLOB)
        return PromptTable(embeddings={name: torch.from_numpy(one) for name, one in archive_from_bytes(data).items()})
