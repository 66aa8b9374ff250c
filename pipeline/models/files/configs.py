"""The JSON configs of a model's parts, and the files of its tokenizers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from storage.documents import read_json

TOKENIZER_SUFFIXES = (".json", ".txt", ".model")
"""of the files that a tokenizer is made of"""


def read_config(path: Path, name: str, *, what: str = "model") -> dict[str, Any]:
    """A JSON config of a model or tagger (``what``); FileNotFoundError or ValueError naming the file and the mend.

    Numbers may be infinite: diffusers writes ``lambda_min_clipped = -Infinity`` for every DPM-Solver.
    """
    if not path.is_file():
        library = "diffusers" if what == "model" else "transformers"
        raise FileNotFoundError(
            f"{what} {name}: lacks {path.parent.name}/{path.name}; expected a folder in {library}' format"
        )
    try:
        config: dict[str, Any] = read_json(path, where=path.name, infinite=True)
    except ValueError as e:
        raise ValueError(f"{what} {name}: {e}; copy the model again") from e
    if not isinstance(config, dict):
        raise ValueError(f"{what} {name}: {path.name} is no JSON table; copy the model again")
    return config


def tokenizer_files(folder: Path, name: str) -> dict[str, Path]:
    """Every file of a model's tokenizers, by its name relative to the folder: each of them can change a token.

    Raises FileNotFoundError for a tokenizer without a vocabulary: transformers would make one that knows no word.
    """
    files: dict[str, Path] = {}
    for home in sorted(path for path in folder.glob("tokenizer*") if path.is_dir()):
        here = {path.name: path for path in home.iterdir() if path.suffix in TOKENIZER_SUFFIXES}
        if "tokenizer.json" not in here and not {"vocab.json", "merges.txt"} <= here.keys():
            raise FileNotFoundError(
                f"model {name}: lacks the vocabulary of {home.name}/: tokenizer.json, or vocab.json and merges.txt"
            )
        files |= {f"{home.name}/{file}": path for file, path in here.items()}
    return files
