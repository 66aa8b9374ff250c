"""Rows of results that grow: one a run, kept as JSON lines and printed as a Markdown table."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def keep_row(path: Path, row: Mapping[str, Any]) -> None:
    """Append a row to a file, which is made with its folder, and print it under its heads."""
    path.parent.mkdir(exist_ok=True)
    with path.open("a") as file:
        file.write(json.dumps(row) + "\n")
    print("| " + " | ".join(row) + " |")
    print("|---" * len(row) + "|")
    print("| " + " | ".join(str(value) for value in row.values()) + " |")
