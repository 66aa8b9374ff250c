"""From a model's name to its card and its replica.

A name is embedded, analytic, a folder in diffusers' format, a hub id, a single checkpoint, or a model file (TOML) that
names one of them and what is attached to it.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import torch
from diffusers.utils import logging as diffusers_logging
from transformers.utils import logging as transformers_logging

from pipeline.models.attachments.image_adapter import unread_of_adapter
from pipeline.models.attention.kernels import PLAIN, Options
from pipeline.models.files.configs import read_config, tokenizer_files
from pipeline.models.files.demands import check_demands, check_index, unread_of_index
from pipeline.models.files.few_steps import FewSteps, find_names, recognise
from pipeline.models.files.hub import locate
from pipeline.models.files.model_file import ModelFile, read_model_file
from pipeline.models.files.single_file import check_checkpoint, find_configs
from pipeline.models.files.strictness import Unread, settle, unread_of_part, unread_settings
from pipeline.models.files.weights import fingerprint_files, num_parameters, weight_files
from pipeline.sampling.model_scheduler import check_scheduler, finite_settings
from storage.registry import Registry

from .card import ModelCard
from .composite import attach
from .embedded import loading as embedded
from .families import analytic, flux, stable_diffusion, stable_diffusion_3
from .family import Family
from .protocol import Backbone

EMBEDDED = Path(__file__).resolve().parent / "embedded" / "weights"
"""the model that ships with the package"""

FAMILIES: Registry[Family] = Registry(
    what="model family",
    group="gigatile.models",
    kind=Family,
    built_in=(embedded.FAMILY, stable_diffusion.FAMILY, stable_diffusion_3.FAMILY, flux.FAMILY, analytic.FAMILY),
    names_of=lambda family: family.names,
)
"""by the pipeline class in model_index.json, or by the model's name where it needs no files"""


def describe_model(name: str, *, allow_pickle: bool = False, strict: bool = True) -> ModelCard:
    """The card of a model, from its configs; hashes its files and loads no weight.

    Raises FileNotFoundError or ValueError, one line with the mend, where the model or one of its parts is missing, is
    of a family without an adapter, does not fit the others, or is a pickle and none is allowed; where ``strict`` holds,
    also for weights and settings that nothing here reads. Else the card says what is dropped.
    """
    if (alone := _needs_no_files(name)) is not None and alone.card is not None:
        return dataclasses.replace(alone.card, packages=FAMILIES.packages(name))
    file = read_model_file(name, allow_pickle=allow_pickle)
    family, base = _describe_base(name, file, strict=strict)
    card = attach(base, file, family, strict=strict)
    return _with_few_steps(card, find_few_steps(name, allow_pickle=allow_pickle))


def find_few_steps(name: str, *, allow_pickle: bool = False) -> FewSteps | None:
    """Whether a model that was described before is one of few steps; reads no weight."""
    if _needs_no_files(name) is not None:
        return None
    file = read_model_file(name, allow_pickle=allow_pickle)
    folder = _locate_base(name, file)[0]
    family = _family(read_config(folder / "model_index.json", name))
    if family is None or not family.is_distilled_by_name:
        return None
    scheduler = read_config(folder / "scheduler" / "scheduler_config.json", name)
    return recognise(scheduler, find_names(name, folder, file))


def _with_few_steps(card: ModelCard, few_steps: FewSteps | None) -> ModelCard:
    """The card with the defaults of a model of few steps; a latent consistency model's own stay."""
    if few_steps is None or card.geometry.inputs.embeds_guidance:
        return card
    defaults = dataclasses.replace(card.defaults, steps=few_steps.steps, guidance=1.0)
    return dataclasses.replace(card, defaults=defaults, few_steps=few_steps)


def locate_configs(name: str, *, allow_pickle: bool = False) -> Path:
    """The folder of a model's configs and tokenizers, not checked; errors as describe_model's."""
    return _locate_base(name, read_model_file(name, allow_pickle=allow_pickle))[0]


def find_family(name: str, *, allow_pickle: bool = False) -> tuple[Family, Path]:
    """The family of a model that was described before, and the folder of its configs; reads no weight."""
    if (alone := _needs_no_files(name)) is not None:
        return alone, Path()
    folder = locate_configs(name, allow_pickle=allow_pickle)
    family = _family(read_config(folder / "model_index.json", name))
    assert family is not None
    return family, folder


def _needs_no_files(name: str) -> Family | None:
    """The family of a model without files by that name; None where there is none."""
    family = FAMILIES.find(name)
    return None if family is None or family.card is None or family.name != name else family


def _family(index: dict[str, Any]) -> Family | None:
    """Of a pipeline; None where there is none. Raises ValueError, one line, where an installed one is broken."""
    return FAMILIES.find(str(index.get("_class_name")))


def _locate_base(name: str, file: ModelFile, *, strict: bool = False) -> tuple[Path, Path | None]:
    """The folder of the configs, and the single file that the weights are in, if they are."""
    path = EMBEDDED if file.base == "embedded" else locate(file.base, name, allow_pickle=file.allow_pickle)
    if path.is_file():
        folder = find_configs(path, file.config, name, allow_pickle=file.allow_pickle, strict=strict)
        return folder, path
    return path, None


def _describe_base(name: str, file: ModelFile, *, strict: bool) -> tuple[Family, ModelCard]:
    folder, checkpoint = _locate_base(name, file, strict=strict)
    index = read_config(folder / "model_index.json", name)
    family = _checked_family(name, file, index, folder, checkpoint)
    with FAMILIES.blaming(str(index["_class_name"])):
        missing = [part for part in family.parts(index) if not (folder / part).is_file()]
        if missing:
            raise FileNotFoundError(f"model {name}: lacks {', '.join(missing)}; expected a folder in diffusers' format")
        configs = {**{part: folder / part for part in family.parts(index)}, **tokenizer_files(folder, name)}
        kinds = family.kinds(folder, index)
        check_demands(folder, kinds, name)
        scheduler = finite_settings(read_config(folder / "scheduler" / "scheduler_config.json", name), name)
        check_scheduler(scheduler, name)
        try:
            geometry, defaults = family.read_geometry(folder, index), family.read_defaults(folder, index)
        except KeyError as e:
            raise ValueError(f"model {name}: its configs lack {e.args[0]!r}; copy the model again") from e
        weights, left = _weights(name, file, folder, checkpoint, family.weighted_parts(index))
        cost = dataclasses.replace(geometry.cost, parameters=sum(num_parameters(path) for path in weights.values()))
        left += _unread(name, folder, kinds, [] if checkpoint is not None else list(weights.values()))
        left += unread_of_index(index, [*family.weighted_parts(index), *(["controlnet"] if file.controls else [])])
        card = ModelCard(
            name=name,
            family=family.name,
            location=str(folder),
            geometry=dataclasses.replace(geometry, cost=cost),
            defaults=defaults,
            scheduler=scheduler,
            fingerprint=fingerprint_files({**configs, **weights}),
            checkpoint=None if checkpoint is None else str(checkpoint),
            dropped=settle(left, f"model {name}", strict=strict),
            packages=FAMILIES.packages(str(index["_class_name"])),
            **family.facts(folder, index),
        )
    return family, card


def _checked_family(name: str, file: ModelFile, index: dict[str, Any], folder: Path, checkpoint: Path | None) -> Family:
    """The family of a pipeline. Raises ValueError, one line, where there is none that reads it as it is given."""
    class_name, family = str(index.get("_class_name")), _family(index)
    check_index(index, name)
    if family is not None and class_name in family.controlled and not file.controls and checkpoint is None:
        nets = sorted(path.name for path in folder.glob("controlnet*") if path.is_dir()) or ["controlnet"]
        lines = ", ".join(f'{{model = "{folder / net}", sees = "image"}}' for net in nets)
        raise ValueError(
            f"model {name}: {class_name} does not say what its ControlNet is shown: give a model file (TOML) with "
            f'base = "{folder}" and controls = [{lines}], where sees is "image" or "edges"'
        )
    if checkpoint is not None and family is not None and not family.reads_single_files:
        raise ValueError(
            f"model {name}: a single file of {index.get('_class_name')} is not read: give a folder in diffusers' format"
        )
    if family is None:
        not_asked = {name for one in FAMILIES.known() for name in (*one.controlled, *([one.name] if one.card else []))}
        known = ", ".join(name for name in FAMILIES.names() if name not in not_asked)
        raise ValueError(f"model {name}: no adapter for {index.get('_class_name')}; there is one for {known}")
    return family


def _weights(
    name: str, file: ModelFile, folder: Path, checkpoint: Path | None, parts: list[str]
) -> tuple[dict[str, Path], list[Unread]]:
    """Weight files by the names that they have in the fingerprint, and what nobody reads of a single one."""
    if checkpoint is not None:
        return {"checkpoint": checkpoint}, check_checkpoint(checkpoint, folder, name)
    if file.config is not None:
        raise ValueError(f"model {name}: config goes with a base that is a single file; {file.base} has its own")
    by_part = [weight_files(folder / part, name, allow_pickle=file.allow_pickle) for part in parts]
    return {str(path.relative_to(folder)): path for paths in by_part for path in paths}, []


def _unread(name: str, folder: Path, kinds: dict[str, Any], weights: list[Path]) -> list[Unread]:
    """What nobody reads of the parts' configs and, where they have them, weights."""
    unread: list[Unread] = []
    for part, kind in kinds.items():
        files = [path for path in weights if path.parent == folder / part]
        if files:
            unread += unread_of_part(kind, folder / part, files, f"model {name}")
        else:
            unread += unread_settings(f"{part}/config.json", read_config(folder / part / "config.json", name), kind)
    for path in weights:
        unread += unread_of_adapter(path, "image_adapter") if path.parent.name == "image_adapter" else []
    return unread


def load_backbone(card: ModelCard, *, device: str, dtype: str, options: Options = PLAIN) -> Backbone:
    """One replica on ``device`` (cpu or cuda) with weights in ``dtype``."""
    # one line of progress is the program's own
    transformers_logging.disable_progress_bar()
    diffusers_logging.disable_progress_bar()
    # the card was made by it, in this process
    family = next(one for one in FAMILIES.known() if one.name == card.family)
    with FAMILIES.blaming(family.names[0]):
        return family.load(card, device=device, dtype=getattr(torch, dtype), options=options)
