"""The plan's own prompts in the run store: embedded once, by one worker, and read by all.

cond/prompts.npz    the backbone's embeddings by name, two rows each: the negative prompt and the prompt
"""

from __future__ import annotations

import io
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import google_crc32c
import numpy as np
import torch

from pipeline.backbone import Backbone
from pipeline.denoise import PromptTable, embed_own
from pipeline.plan import Plan
from pipeline.text_limit import TextLimit
from storage.run import RunStore

from .names import PROMPT_BLOB


class OwnPrompts:
    """Embeds the prompts of one plan, and reads what was embedded."""

    def __init__(
        self,
        store: RunStore,
        plan: Plan,
        limit: TextLimit,
        in_backbone: Callable[[], AbstractContextManager[Backbone]],
    ) -> None:
        """``in_backbone`` lends the model for one computation."""
        self._store, self._plan, self._limit, self._in_backbone = store, plan, limit, in_backbone
        self._table: PromptTable | None = None

    def embed(self) -> int:
        """Write the embeddings; returns their crc32c."""
        recipe = self._plan.recipe
        negative, prompt = (self._limit.cut(text).prompt for text in (recipe.negative_prompt, recipe.prompt))
        with self._in_backbone() as backbone:
            table = embed_own(backbone, negative, prompt)
        buffer = io.BytesIO()
        arrays: dict[str, Any] = {name: tensor.numpy() for name, tensor in table.items()}
        np.savez(buffer, **arrays)
        data = buffer.getvalue()
        self._store.put_blob(PROMPT_BLOB, data)
        return int(google_crc32c.value(data))

    def table(self) -> PromptTable:
        """The embeddings; none of a model that reads no text."""
        if self._table is None:
            self._table = self._read()
        return self._table

    def _read(self) -> PromptTable:
        if self._plan.geometry.text_tokens is None:
            return PromptTable()
        data = self._store.get_blob(PROMPT_BLOB)
        assert data is not None
        with np.load(io.BytesIO(data)) as table:
            return PromptTable(embeddings={name: torch.from_numpy(table[name]) for name in table.files})
