"""Tokenizers of a model's text encoders, from their files alone: code that lies beside them is never run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from transformers import AutoTokenizer


def read_tokenizer(folder: Path) -> Any:
    """The tokenizer of a folder in transformers' format. Raises what transformers raises for a damaged one."""
    return AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
