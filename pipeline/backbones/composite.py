"""A base model with its attachments: where each is, whether it fits, and one card for the whole."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any

from ..backbone import ModelCard
from .controls import check_control, check_control_file, control_files
from .hub import locate
from .lora import lora_file, read_changes
from .model_file import ModelFile
from .skeleton import skeleton
from .weights import num_parameters


def attach(card: ModelCard, file: ModelFile) -> ModelCard:
    """The card of the base with all of ``file`` attached; the base's own card where there is nothing to attach.

    Raises FileNotFoundError or ValueError, one line, for what is missing or does not fit the base.
    """
    if not (file.controls or file.loras or file.image_adapter):
        return card
    if card.family != "stable_diffusion":
        raise ValueError(f"model {card.name}: attachments need a Stable Diffusion base, {file.base} is {card.family}")
    unet = json.loads((Path(card.location) / "unet" / "config.json").read_text(encoding="utf-8"))
    networks = skeleton(Path(card.location)) if file.loras else {}
    found: list[Path] = []
    for control in file.controls:
        found += _control(control.model, card, file, unet)
    for lora in file.loras:
        found.append(lora_file(locate(lora.model, card.name), card.name, allow_pickle=file.allow_pickle))
        read_changes(found[-1], networks, card.name)
    sights = tuple(name for name in ("image", "edges") if any(one.sees == name for one in file.controls))
    weights = [path for path in found if path.suffix != ".json"]
    geometry = dataclasses.replace(
        card.geometry,
        structures=sights,
        structure="both" if len(sights) == 2 else (sights or ("none",))[0],
        parameters=card.geometry.parameters + sum(num_parameters(path) for path in weights),
    )
    return dataclasses.replace(card, geometry=geometry, fingerprint=_fingerprint(card, file, found), file=file)


def _control(model: str, card: ModelCard, file: ModelFile, unet: dict[str, Any]) -> list[Path]:
    where = locate(model, card.name)
    found = control_files(where, card.name, allow_pickle=file.allow_pickle)
    if where.is_dir():
        config = json.loads(found[0].read_text(encoding="utf-8"))
        check_control(where, config, unet, card.geometry.factor, card.name)
    else:
        check_control_file(where, unet, card.name)
    return found


def _fingerprint(card: ModelCard, file: ModelFile, found: list[Path]) -> str:
    """sha256 over the base, every attachment's files in order, and the numbers, but for where things lie."""
    digest = hashlib.sha256(card.fingerprint.encode())
    for path in found:
        with path.open("rb") as data:
            digest.update(hashlib.file_digest(data, "sha256").digest())
    table = dataclasses.asdict(file)
    parts = [*table["controls"], *table["loras"], table["image_adapter"] or {}]
    numbers = [{key: value for key, value in part.items() if key not in ("model", "encoder")} for part in parts]
    digest.update(json.dumps(numbers, sort_keys=True).encode())
    return digest.hexdigest()
