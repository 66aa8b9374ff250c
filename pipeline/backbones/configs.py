"""The JSON configs of a model's parts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def read_config(path: Path, name: str, *, what: str = "model") -> dict[str, Any]:
    """A JSON config of a model or tagger (``what``); FileNotFoundError or ValueError naming the file and the mend."""
    if not path.is_file():
        library = "diffusers" if what == "model" else "transformers"
        raise FileNotFoundError(
            f"{what} {name}: lacks {path.parent.name}/{path.name}; expected a folder in {library}' format"
        )
    try:
        config: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as e:
        raise ValueError(f"{what} {name}: {path.name} is not JSON ({e}); copy the model again") from e
    return config
