"""One distinct prompt of a run, as it was encoded: what the run store keeps once, whichever tiles say it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from storage.archive import archive_from_bytes, archive_to_bytes


def prompt_key(text: str) -> int:
    """The name of a prompt, 1 to 2^64 - 1: by its content, so that every worker gives it the same.

    >>> f"{prompt_key('water'):016x}"
    '0f4168490e38b844'
    """
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8]) or 1


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptRecord:
    """A prompt, what of it the encoders read, and their embeddings."""

    text: str
    """the whole prompt, phrases parted by commas"""
    kept: str
    """the part that is encoded"""
    dropped: tuple[str, ...]
    """what fell off its end"""
    embeddings: dict[str, torch.Tensor]
    """by the names of Conditioning's fields, without a batch axis"""

    def to_bytes(self) -> bytes:
        """The same record gives the same bytes."""
        texts = {"text": np.array(self.text), "kept": np.array(self.kept), "dropped": np.array(self.dropped)}
        arrays: dict[str, Any] = {f"embedding-{name}": table.numpy() for name, table in self.embeddings.items()}
        return archive_to_bytes({**texts, **arrays})


def prompt_record_from_bytes(data: bytes) -> PromptRecord | None:
    """What ``to_bytes`` wrote; None where the bytes are damaged. Whose prompt it is, only its text says."""
    try:
        table = archive_from_bytes(data)
        return PromptRecord(
            text=str(table["text"]),
            kept=str(table["kept"]),
            dropped=tuple(str(phrase) for phrase in table["dropped"]),
            embeddings={
                name.removeprefix("embedding-"): torch.from_numpy(values)
                for name, values in table.items()
                if name.startswith("embedding-")
            },
        )
    except (ValueError, KeyError, TypeError):
        return None
