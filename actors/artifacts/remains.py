"""What a finished run keeps without need: all that it was computed from, and its pixels once its picture is written.

What `status`, `prompts` and the command that began it read afterwards stays, and so does whatever is not the run's.
"""

from __future__ import annotations

import re

from . import layout
from .table import TABLE, Artifact

_READ_AFTERWARDS = (layout.PROMPTS_ARRAY, layout.PROMPT_BLOB, layout.GLOBAL_TAGS_BLOB, layout.PROMPTS)
"""what each tile was told to be"""
_PLACES = {"{step:04d}": r"\d{4,}", "{key:016x}": "[0-9a-f]{16}", "{region:06d}": r"\d{6,}"}


def is_needless(key: str, *, keep_pixels: bool) -> bool:
    """Whether a key of a finished run's store is of no use any more; ``keep_pixels``: the decoded ones are.

    >>> [is_needless(key, keep_pixels=True) for key in ("z/0/s0003/c/0/1/2", "out/c/0/0/0", "plan.json", "z/mine.txt")]
    [True, False, False, False]
    """
    kept = (*_READ_AFTERWARDS, *((layout.OUT, layout.DISAGREEMENT) if keep_pixels else ()))
    return any(row.name not in kept and _pattern(row).fullmatch(key) for row in TABLE)


def _pattern(row: Artifact) -> re.Pattern[str]:
    name = re.escape(row.name)
    for place, pattern in _PLACES.items():
        name = name.replace(re.escape(place), pattern)
    return re.compile(f"blobs/{name}" if row.is_blob else rf"{name}/(zarr\.json|c/0/\d+/\d+)")
