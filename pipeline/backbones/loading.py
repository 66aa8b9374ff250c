"""From a model's name to its card and its replica: embedded, analytic, a folder in diffusers' format, or a hub id."""

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


def describe_model(name: str) -> ModelCard:
    """The card of a model, from its configs; hashes its files and loads no weight.

    Raises FileNotFoundError or ValueError, one line with the mend, where the model or one of its parts is missing or
    is of a family without an adapter.
    """
    if name == "analytic":
        return analytic.CARD
    folder = find_folder(name)
    index = read_config(folder / "model_index.json", name)
    family = FAMILIES.get(str(index.get("_class_name")))
    if family is None:
        known = ", ".join(key for key, adapter in FAMILIES.items() if adapter)
        raise ValueError(f"model {name}: no adapter for {index.get('_class_name')}; there is one for {known}")
    missing = [part for part in family.parts(index) if not (folder / part).is_file()]
    if missing:
        raise FileNotFoundError(f"model {name}: lacks {', '.join(missing)}; expected a folder in diffusers' format")
    weights = [weight_file(folder / part, name) for part in family.weighted_parts(index)]
    return ModelCard(
        name=name,
        family=family.__name__.rpartition(".")[2],
        location=str(folder),
        geometry=dataclasses.replace(
            family.read_geometry(folder, index), parameters=sum(num_parameters(path) for path in weights)
        ),
        scheduler=read_config(folder / "scheduler" / "scheduler_config.json", name),
        vocabulary=embedded.read_vocabulary(folder) if family is embedded else None,
        degradations=embedded.read_degradations(folder) if family is embedded else (),
        fingerprint=fingerprint_files(folder, [*family.parts(index), *(str(w.relative_to(folder)) for w in weights)]),
    )


def load_backbone(card: ModelCard, *, device: str, dtype: str) -> Backbone:
    """One replica on ``device`` (cpu or cuda) with weights in ``dtype``."""
    if card.family == "analytic":
        return analytic.AnalyticBackbone()
    adapter = {"embedded": embedded, "stable_diffusion": stable_diffusion}[card.family]
    # one line of progress is the program's own
    transformers_logging.disable_progress_bar()
    diffusers_logging.disable_progress_bar()
    return adapter.load(Path(card.location), card.geometry, device=device, dtype=getattr(torch, dtype))


def find_folder(name: str, *, what: str = "model") -> Path:
    """The folder of a model or of a tagger (``what``): embedded, a folder's own name, or the download of a hub id."""
    if name == "embedded":
        return EMBEDDED
    folder = Path(name)
    if folder.is_dir():
        return folder.resolve()
    if name.startswith((".", "/", "~")) or name.count("/") != 1:
        raise FileNotFoundError(
            f"{what} {name}: no such folder; give embedded, a folder or a hub id such as owner/name"
        )
    return _download(name, what)


def _download(hub_id: str, what: str) -> Path:
    from huggingface_hub import snapshot_download

    patterns = ["*.json", "*.txt", "*.model", "*.safetensors"]
    try:
        return Path(snapshot_download(hub_id, allow_patterns=patterns))
    except Exception as e:
        reason = (str(e).strip() or type(e).__name__).splitlines()[0]
        raise FileNotFoundError(
            f"{what} {hub_id}: no folder of that name, and the hub did not give it ({reason}); "
            "download it where the hub can be reached and give the folder"
        ) from e


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


def weight_file(part: Path, name: str) -> Path:
    """The safetensors file of one part, half precision preferred. Raises FileNotFoundError naming the part."""
    for stem in ("diffusion_pytorch_model", "model"):
        for suffix in (".fp16.safetensors", ".safetensors"):
            path = part / f"{stem}{suffix}"
            if path.is_file():
                return path
    raise FileNotFoundError(f"model {name}: no .safetensors weights in {part.name}/; convert the model to safetensors")


def variant(part: Path) -> str | None:
    """``fp16`` where a part comes with half-precision weights."""
    return "fp16" if any(part.glob("*.fp16.safetensors")) else None


def num_parameters(path: Path) -> int:
    from safetensors import SafetensorError, safe_open

    total = 0
    try:
        with safe_open(path, framework="pt") as tensors:
            for key in tensors.keys():  # noqa: SIM118 - a handle, not a dict
                count = 1
                for side in tensors.get_slice(key).get_shape():
                    count *= side
                total += count
    except SafetensorError as e:
        raise ValueError(f"model weights {path.parent.name}/{path.name} are damaged ({e}); copy the model again") from e
    return total


def fingerprint_files(folder: Path, names: list[str]) -> str:
    digest = hashlib.sha256()
    for name in sorted(names):
        digest.update(name.encode() + b"\0")
        with (folder / name).open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()
