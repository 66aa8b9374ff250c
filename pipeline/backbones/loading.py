"""From a model's name to its card and its replica: embedded, analytic, a folder in diffusers' format, a hub id, or a
TOML file that attaches to any of them."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any

import torch
from diffusers.utils import logging as diffusers_logging
from transformers.utils import logging as transformers_logging

from ..backbone import Backbone, ModelCard
from . import analytic, embedded, stable_diffusion
from .composite import attach
from .hub import PATTERNS, PICKLED, locate
from .model_file import ModelFile, read_model_file
from .weights import num_parameters, weight_file

EMBEDDED = Path(__file__).resolve().parent.parent / "embedded"
"""the model that ships with the package"""

FAMILIES = {
    "GigatileSuperResolver": embedded,
    "StableDiffusionPipeline": stable_diffusion,
    "StableDiffusionImg2ImgPipeline": stable_diffusion,
    "StableDiffusionUpscalePipeline": None,
    "StableDiffusionXLPipeline": stable_diffusion,
    "StableDiffusionXLImg2ImgPipeline": stable_diffusion,
}
"""pipeline class in model_index.json -> the adapter that runs its parts"""


def describe_model(name: str, *, allow_pickle: bool = False) -> ModelCard:
    """The card of a model, from its configs; hashes its files and loads no weight.

    Raises FileNotFoundError or ValueError, one line with the mend, where the model or one of its parts is missing, is
    of a family without an adapter, does not fit the others, or is a pickle and none is allowed.
    """
    if name == "analytic":
        return analytic.CARD
    file = read_model_file(name, allow_pickle=allow_pickle)
    return attach(_describe_base(name, file), file)


def _describe_base(name: str, file: ModelFile) -> ModelCard:
    patterns = PICKLED if file.allow_pickle else PATTERNS
    folder = EMBEDDED if file.base == "embedded" else locate(file.base, name, patterns=patterns)
    index = read_config(folder / "model_index.json", name)
    family = FAMILIES.get(str(index.get("_class_name")))
    if family is None:
        known = ", ".join(key for key, adapter in FAMILIES.items() if adapter)
        raise ValueError(f"model {name}: no adapter for {index.get('_class_name')}; there is one for {known}")
    missing = [part for part in family.parts(index) if not (folder / part).is_file()]
    if missing:
        raise FileNotFoundError(f"model {name}: lacks {', '.join(missing)}; expected a folder in diffusers' format")
    weights = [
        weight_file(folder / part, name, allow_pickle=file.allow_pickle) for part in family.weighted_parts(index)
    ]
    return ModelCard(
        name=name,
        family=family.__name__.rpartition(".")[2],
        location=str(folder),
        geometry=dataclasses.replace(
            family.read_geometry(folder, index), parameters=sum(num_parameters(path) for path in weights)
        ),
        scheduler=read_config(folder / "scheduler" / "scheduler_config.json", name),
        vocabulary=embedded.read_vocabulary(folder) if family is embedded else None,
        fingerprint=fingerprint_files(folder, [*family.parts(index), *(str(w.relative_to(folder)) for w in weights)]),
    )


def load_backbone(card: ModelCard, *, device: str, dtype: str) -> Backbone:
    """One replica on ``device`` (cpu or cuda) with weights in ``dtype``."""
    if card.family == "analytic":
        return analytic.AnalyticBackbone()
    adapter: Any = {"embedded": embedded, "stable_diffusion": stable_diffusion}[card.family]
    # one line of progress is the program's own
    transformers_logging.disable_progress_bar()
    diffusers_logging.disable_progress_bar()
    return adapter.load(card, device=device, dtype=getattr(torch, dtype))


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


def fingerprint_files(folder: Path, names: list[str]) -> str:
    digest = hashlib.sha256()
    for name in sorted(names):
        digest.update(name.encode() + b"\0")
        with (folder / name).open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()
