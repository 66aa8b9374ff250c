"""A base model with its attachments: where each is, whether it fits, and one card for the whole."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any

from pipeline.models.attachments.controls import check_control, check_control_file, control_files, unread_of_control
from pipeline.models.attachments.image_adapter import (
    adapter_files,
    check_adapter,
    image_width,
    is_plain,
    unread_of_sight,
)
from pipeline.models.attachments.lora import lora_file, read_changes
from pipeline.models.attention.neighbourhood import knows_attention
from pipeline.models.files.configs import read_config
from pipeline.models.files.hub import locate
from pipeline.models.files.model_file import SIGHTS, ImageAdapter, ModelFile
from pipeline.models.files.strictness import Unread, settle
from pipeline.models.files.weights import fingerprint_files, num_parameters, weight_files

from .card import ModelCard
from .family import CONTROLS, IMAGE_ADAPTER, Family


def attach(card: ModelCard, file: ModelFile, family: Family, *, strict: bool = True) -> ModelCard:
    """The card of the base with all of ``file`` attached; the base's own card where there is nothing to attach.

    Raises FileNotFoundError or ValueError, one line, for what is missing or does not fit the base, and, where
    ``strict`` holds, for what nobody reads of it.
    """
    if not (file.controls or file.loras or file.image_adapter):
        return card
    if family.networks is None:
        raise ValueError(f"model {card.name}: attachments need a Stable Diffusion or FLUX base, not {card.family}")
    asked = {CONTROLS: file.controls, IMAGE_ADAPTER: file.image_adapter}
    if any(is_asked and kind not in family.attaches for kind, is_asked in asked.items()):
        raise ValueError(
            f"model {card.name}: ControlNets and IP-Adapters need a Stable Diffusion 1.x, 2.x or SDXL base, "
            f"{file.base} is {card.family}: leave them out"
        )
    file = _located(file, card.name)
    networks = family.networks(Path(card.location)) if file.loras or file.image_adapter else {}
    paths, left = _checked(file, card, networks)
    adapter = file.image_adapter
    sights = tuple(name for name in SIGHTS if any(one.sees == name for one in file.controls))
    added = sum(num_parameters(path) for path in paths if path.suffix != ".json")
    geometry = dataclasses.replace(
        card.geometry,
        inputs=dataclasses.replace(
            card.geometry.inputs,
            image_width=None if adapter is None else image_width(Path(adapter.model)),
            structures=sights,
        ),
        attends_nearby=card.geometry.attends_nearby and _knows_controls(file, card.name),
        cost=dataclasses.replace(card.geometry.cost, parameters=card.geometry.cost.parameters + added),
    )
    shown = "both" if len(sights) == 2 else (sights or ("none",))[0]
    defaults = dataclasses.replace(card.defaults, structure=shown)
    dropped = (*card.dropped, *settle(left, f"model {card.name}", strict=strict))
    fingerprint, sight = _fingerprint(card, file, paths), None if adapter is None else _sight(adapter)
    return dataclasses.replace(
        card, geometry=geometry, defaults=defaults, fingerprint=fingerprint, file=file, sight=sight, dropped=dropped
    )


def _located(file: ModelFile, name: str) -> ModelFile:
    """The same with every attachment's place on this machine; of a LoRA the file itself."""

    def here(place: str) -> Path:
        return locate(place, name, allow_pickle=file.allow_pickle)

    adapter = file.image_adapter
    if adapter is not None:
        adapter = dataclasses.replace(adapter, model=str(here(adapter.model)), encoder=str(here(adapter.encoder)))
    lora_files = [lora_file(here(one.model), name, allow_pickle=file.allow_pickle) for one in file.loras]
    return dataclasses.replace(
        file,
        controls=tuple(dataclasses.replace(one, model=str(here(one.model))) for one in file.controls),
        loras=tuple(
            dataclasses.replace(one, model=str(path)) for one, path in zip(file.loras, lora_files, strict=True)
        ),
        image_adapter=adapter,
    )


def _checked(file: ModelFile, card: ModelCard, networks: dict[str, Any]) -> tuple[list[Path], list[Unread]]:
    """Every attachment's files, configs and weights, in order, once all of them fit the base; what nobody reads.

    ``networks``: the base's, on the meta device, where something is to be held against them.
    """
    folder, paths, left = Path(card.location), list[Path](), list[Unread]()
    unet = read_config(folder / "unet" / "config.json", card.name) if file.controls else {}
    for control in file.controls:
        where = Path(control.model)
        files = control_files(where, card.name, allow_pickle=file.allow_pickle)
        if where.is_dir():
            config = read_config(where / "config.json", card.name)
            check_control(where, config, unet, card.geometry.factor, card.name)
        else:
            check_control_file(where, unet, card.name)
        left += unread_of_control(where, unet, files, card.name)
        paths += files
    for lora in file.loras:
        paths.append(Path(lora.model))
        read_changes(paths[-1], networks, card.name)
    if (adapter := file.image_adapter) is not None:
        weights, encoder = Path(adapter.model), Path(adapter.encoder)
        paths += adapter_files(weights, encoder, card.name, allow_pickle=file.allow_pickle)
        check_adapter(weights, encoder, networks["unet"], card.name)
        left += unread_of_sight(weights, encoder, networks["unet"], paths, card.name)
    return paths, left


def _knows_controls(file: ModelFile, name: str) -> bool:
    """Whether the attention of all ControlNets is as the base's; single files' is a copy of it."""
    folders = [Path(one.model) for one in file.controls if Path(one.model).is_dir()]
    return all(knows_attention(read_config(folder / "config.json", name)) for folder in folders)


def _sight(adapter: ImageAdapter) -> str | None:
    """See ModelCard.sight."""
    if not is_plain(Path(adapter.model)):
        return None
    encoder = Path(adapter.encoder)
    weights = weight_files(encoder, encoder.name, allow_pickle=True)
    return fingerprint_files({path.name: path for path in (encoder / "config.json", *weights)})


def _fingerprint(card: ModelCard, file: ModelFile, paths: list[Path]) -> str:
    """sha256 over the base, every attachment's files in order, and the numbers, but for where things lie."""
    digest = hashlib.sha256(card.fingerprint.encode())
    for path in paths:
        with path.open("rb") as data:
            digest.update(hashlib.file_digest(data, "sha256").digest())
    table = dataclasses.asdict(file)
    parts = [*table["controls"], *table["loras"], table["image_adapter"] or {}]
    numbers = [{key: value for key, value in part.items() if key not in ("model", "encoder")} for part in parts]
    digest.update(json.dumps(numbers, sort_keys=True).encode())
    return digest.hexdigest()
