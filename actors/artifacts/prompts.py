"""Local prompts in the run store: the table tile -> prompt as an array, each distinct prompt once beside it.

cond/prompt                   keys of the prompt and the negative prompt of every tile; one chunk a region
cond/prompts/<key>.npz        a prompt, what of it was encoded, and the embeddings

The records are written before the table is, the table before the region's coarse latent. A record is named by its
content, so regions share it, and any worker may write it: the bytes are the same.
"""

from __future__ import annotations

import dataclasses
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from pipeline.plan.plan import Plan
from pipeline.prompts.record import PromptRecord, prompt_key, prompt_record_from_bytes
from pipeline.tasks.denoise import PromptTable
from pipeline.tasks.local_prompts import TilePrompt
from pipeline.tasks.prompt_table import fill_block, read_block
from storage.arrays import RegionArray
from storage.errors import CorruptRegionError, MissingRegionError
from storage.run import RunStore

from .blobs import Blobs, Sums
from .layout import PROMPTS_ARRAY, prompt_blob

REMEMBERED = 128
"""records that a process keeps: some hundred kilobytes each, with the embeddings of a large text encoder"""


@dataclass(frozen=True, slots=True, kw_only=True)
class RegionPrompts:
    """The prompts of a region's tiles."""

    keys: list[tuple[int, int]]
    """of the prompt and the negative prompt of each tile, row-major; 0 for the plan's own"""
    records: dict[int, PromptRecord]

    def rows(self, indices: Sequence[int], own_prompts: PromptTable) -> PromptTable:
        """The table of a batch of tiles, by their place among the region's tiles; ``own_prompts`` is the plan's."""
        against = self._stack(indices, 1, own_prompts) if any(negative for _, negative in self.keys) else None
        return dataclasses.replace(own_prompts, each=self._stack(indices, 0, own_prompts), against=against)

    def _stack(self, indices: Sequence[int], which: int, own_prompts: PromptTable) -> dict[str, torch.Tensor]:
        plain = {name: table[1 - which] for name, table in own_prompts.embeddings.items()}
        chosen = [self.keys[index][which] for index in indices]
        rows = [self.records[key].embeddings if key else plain for key in chosen]
        return {name: torch.stack([row[name] for row in rows]) for name in plain}


class PromptStore:
    """Reads and writes the prompts of regions; threads may share it."""

    def __init__(
        self, store: RunStore, plan: Plan, encode: Callable[[str], PromptRecord], blobs: Blobs | None = None
    ) -> None:
        self._store, self._plan, self._encode = store, plan, encode
        self._blobs = Blobs(store) if blobs is None else blobs
        self._records: OrderedDict[int, PromptRecord] = OrderedDict()
        self._lock = threading.Lock()

    def write(self, region: int, prompts: Sequence[TilePrompt]) -> int:
        """Keep the prompts of a region's tiles, row-major; returns the crc32c of its table."""
        with self._lock:
            entries = [self._enter(one) for one in prompts]
        block, table = fill_block(self._plan, region, entries), self._table()
        try:
            return table.write(region, block)
        except CorruptRegionError:
            table.delete(region)
            return table.write(region, block)

    def _enter(self, prompt: TilePrompt) -> tuple[int, int, int]:
        """The table's entry of one tile."""
        kept = [None if text is None else self._keep(text) for text in (prompt.prompt, prompt.negative)]
        key, negative = (0 if record is None else prompt_key(record.text) for record in kept)
        return key, negative, int(any(record is not None and record.dropped for record in kept))

    def read(self, region: int) -> RegionPrompts | None:
        """The prompts of a region's tiles; None where a part of them is not there, or damaged."""
        try:
            keys = read_block(self._plan, region, self._table().read_region(region))
        except (MissingRegionError, CorruptRegionError):
            return None
        records: dict[int, PromptRecord] = {}
        for key in {key for pair in keys for key in pair if key}:
            with self._lock:
                record = self._record(key)
            if record is None:
                return None
            records[key] = record
        return RegionPrompts(keys=keys, records=records)

    def sums(self, prompts: Sequence[TilePrompt]) -> dict[str, int]:
        """The checksums of the records of prompts that were written, by the names of their blobs."""
        texts = {text for one in prompts for text in (one.prompt, one.negative) if text is not None}
        names = sorted(prompt_blob(prompt_key(text)) for text in texts)
        return {name: self._blobs.sum(name) for name in names}

    def _keep(self, text: str) -> PromptRecord:
        """Encode and keep a prompt, unless some worker has done so."""
        key = prompt_key(text)
        record = self._record(key)
        if record is None:
            record = self._encode(text)
            self._blobs.put(prompt_blob(key), record.to_bytes())
            self._remember(key, record)
        assert record.text == text, f"prompts {record.text!r} and {text!r} have one key"
        return record

    def _record(self, key: int) -> PromptRecord | None:
        if key in self._records:
            self._records.move_to_end(key)
            return self._records[key]
        record = _record_of(self._blobs, key)
        if record is not None:
            self._remember(key, record)
        return record

    def _remember(self, key: int, record: PromptRecord) -> None:
        self._records[key] = record
        if len(self._records) > REMEMBERED:
            self._records.popitem(last=False)

    def _table(self) -> RegionArray:
        return self._store.open_array(PROMPTS_ARRAY)


def read_prompt(store: RunStore, key: int, sums: Sums | None = None) -> PromptRecord | None:
    """A distinct prompt by its key; None where it is not there, damaged, or another one. ``sums``: the journal's."""
    blobs = Blobs(store)
    blobs.expect(sums or {})
    return _record_of(blobs, key)


def _record_of(blobs: Blobs, key: int) -> PromptRecord | None:
    data = blobs.get(prompt_blob(key))
    record = None if data is None else prompt_record_from_bytes(data)
    return record if record is not None and prompt_key(record.text) == key else None
