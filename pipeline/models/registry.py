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

from .composite import attach
from .embedded import loading as embedded
from .families import analytic, flux, stable_diffusion, stable_diffusion_3
from .protocol import Backbone, ModelCard

EMBEDDED = Path(__file__).resolve().parent / "embedded" / "weights"
"""the model that ships with the package"""

FAMILIES = {
    "GigatileSuperResolver": embedded,
    "StableDiffusionPipeline": stable_diffusion,
    "StableDiffusionImg2ImgPipeline": stable_diffusion,
    "LatentConsistencyModelPipeline": stable_diffusion,
    "LatentConsistencyModelImg2ImgPipeline": stable_diffusion,
    "StableDiffusionUpscalePipeline": None,
    "StableDiffusionXLPipeline": stable_diffusion,
    "StableDiffusionXLImg2ImgPipeline": stable_diffusion,
    "StableDiffusion3Pipeline": stable_diffusion_3,
    "StableDiffusion3Img2ImgPipeline": stable_diffusion_3,
    "FluxPipeline": flux,
    "FluxImg2ImgPipeline": flux,
}
"""pipeline class in model_index.json -> the adapter that runs its parts"""


CONTROLLED = (
    "StableDiffusionControlNetPipeline",
    "StableDiffusionControlNetImg2ImgPipeline",
    "StableDiffusionXLControlNetPipeline",
    "StableDiffusionXLControlNetImg2ImgPipeline",
)
"""pipelines with a ControlNet of their own, which a model file reads: their folders do not say what it is shown"""


def describe_model(name: str, *, allow_pickle: bool = False, strict: bool = True) -> ModelCard:
    """The card of a model, from its configs; hashes its files and loads no weight.

    Raises FileNotFoundError or ValueError, one line with the mend, where the model or one of its parts is missing, is
    of a family without an adapter, does not fit the others, or is a pickle and none is allowed; where ``strict`` holds,
    also for weights and settings that nothing here reads. Else the card says what is dropped.
    """
    if name == "analytic":
        return analytic.CARD
    file = read_model_file(name, allow_pickle=allow_pickle)
    card = attach(_describe_base(name, file, strict=strict), file, strict=strict)
    return _with_few_steps(card, find_few_steps(name, allow_pickle=allow_pickle))


def find_few_steps(name: str, *, allow_pickle: bool = False) -> FewSteps | None:
    """Whether a model that was described before is one of few steps; reads no weight."""
    if name == "analytic":
        return None
    file = read_model_file(name, allow_pickle=allow_pickle)
    folder = _locate_base(name, file)[0]
    if _family(read_config(folder / "model_index.json", name)) not in (stable_diffusion, stable_diffusion_3):
        return None
    scheduler = read_config(folder / "scheduler" / "scheduler_config.json", name)
    return recognise(scheduler, find_names(name, folder, file))


def _with_few_steps(card: ModelCard, found: FewSteps | None) -> ModelCard:
    """The card with the defaults of a model of few steps; a latent consistency model's own stay."""
    if found is None or card.geometry.embeds_guidance:
        return card
    geometry = dataclasses.replace(card.geometry, steps=found.steps, guidance=1.0)
    return dataclasses.replace(card, geometry=geometry, few_steps=found)


def locate_configs(name: str, *, allow_pickle: bool = False) -> Path:
    """The folder of a model's configs and tokenizers, not checked; errors as describe_model's."""
    return _locate_base(name, read_model_file(name, allow_pickle=allow_pickle))[0]


def find_family(name: str, *, allow_pickle: bool = False) -> tuple[str, Path]:
    """The adapter of a model that was described before, and the folder of its configs; reads no weight."""
    if name == "analytic":
        return "analytic", Path()
    folder = locate_configs(name, allow_pickle=allow_pickle)
    return _family_name(_family(read_config(folder / "model_index.json", name))), folder


def _family(index: dict[str, Any]) -> Any:
    """The adapter of a pipeline; None where there is none."""
    said = str(index.get("_class_name"))
    return stable_diffusion if said in CONTROLLED else FAMILIES.get(said)


def _family_name(adapter: Any) -> str:
    """``flux`` of pipeline.models.families.flux."""
    return "embedded" if adapter is embedded else str(adapter.__name__.rpartition(".")[2])


def _locate_base(name: str, file: ModelFile, *, strict: bool = False) -> tuple[Path, Path | None]:
    """The folder of the configs, and the single file that the weights are in, if they are."""
    found = EMBEDDED if file.base == "embedded" else locate(file.base, name, allow_pickle=file.allow_pickle)
    if found.is_file():
        folder = find_configs(found, file.config, name, allow_pickle=file.allow_pickle, strict=strict)
        return folder, found
    return found, None


def _describe_base(name: str, file: ModelFile, *, strict: bool) -> ModelCard:
    folder, checkpoint = _locate_base(name, file, strict=strict)
    index = read_config(folder / "model_index.json", name)
    family = _checked_family(name, file, index, folder, checkpoint)
    missing = [part for part in family.parts(index) if not (folder / part).is_file()]
    if missing:
        raise FileNotFoundError(f"model {name}: lacks {', '.join(missing)}; expected a folder in diffusers' format")
    configs = {**{part: folder / part for part in family.parts(index)}, **tokenizer_files(folder, name)}
    kinds = family.kinds(folder, index)
    check_demands(folder, kinds, name)
    scheduler = finite_settings(read_config(folder / "scheduler" / "scheduler_config.json", name), name)
    check_scheduler(scheduler, name)
    try:
        geometry = family.read_geometry(folder, index)
    except KeyError as e:
        raise ValueError(f"model {name}: its configs lack {e.args[0]!r}; copy the model again") from e
    weights, left = _weights(name, file, folder, checkpoint, family.weighted_parts(index))
    geometry = dataclasses.replace(geometry, parameters=sum(num_parameters(path) for path in weights.values()))
    left += _unread(name, folder, kinds, [] if checkpoint is not None else list(weights.values()))
    left += unread_of_index(index, [*family.weighted_parts(index), *(["controlnet"] if file.controls else [])])
    return ModelCard(
        name=name,
        family=_family_name(family),
        location=str(folder),
        geometry=geometry,
        scheduler=scheduler,
        vocabulary=embedded.read_vocabulary(folder) if family is embedded else None,
        degradations=embedded.read_degradations(folder) if family is embedded else (),
        sight=embedded.read_sight(folder, index) if family is embedded else None,
        fingerprint=fingerprint_files({**configs, **weights}),
        checkpoint=None if checkpoint is None else str(checkpoint),
        dropped=settle(left, f"model {name}", strict=strict),
    )


def _checked_family(name: str, file: ModelFile, index: dict[str, Any], folder: Path, checkpoint: Path | None) -> Any:
    """The adapter of a pipeline. Raises ValueError, one line, where there is none that reads it as it is given."""
    said, family = str(index.get("_class_name")), _family(index)
    check_index(index, name)
    if said in CONTROLLED and not file.controls and checkpoint is None:
        nets = sorted(path.name for path in folder.glob("controlnet*") if path.is_dir()) or ["controlnet"]
        lines = ", ".join(f'{{model = "{folder / net}", sees = "image"}}' for net in nets)
        raise ValueError(
            f"model {name}: {said} does not say what its ControlNet is shown: give a model file (TOML) with "
            f'base = "{folder}" and controls = [{lines}], where sees is "image" or "edges"'
        )
    if checkpoint is not None and family not in (None, stable_diffusion):
        raise ValueError(
            f"model {name}: a single file of {index.get('_class_name')} is not read: give a folder in diffusers' format"
        )
    if family is None:
        known = ", ".join(key for key, adapter in FAMILIES.items() if adapter)
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
    found = [weight_files(folder / part, name, allow_pickle=file.allow_pickle) for part in parts]
    return {str(path.relative_to(folder)): path for paths in found for path in paths}, []


def _unread(name: str, folder: Path, kinds: dict[str, Any], weights: list[Path]) -> list[Unread]:
    """What nobody reads of the parts' configs and, where they have them, weights."""
    found: list[Unread] = []
    for part, kind in kinds.items():
        files = [path for path in weights if path.parent == folder / part]
        if files:
            found += unread_of_part(kind, folder / part, files, f"model {name}")
        else:
            found += unread_settings(f"{part}/config.json", read_config(folder / part / "config.json", name), kind)
    for path in weights:
        found += unread_of_adapter(path, "image_adapter") if path.parent.name == "image_adapter" else []
    return found


def load_backbone(card: ModelCard, *, device: str, dtype: str, options: Options = PLAIN) -> Backbone:
    """One replica on ``device`` (cpu or cuda) with weights in ``dtype``."""
    if card.family == "analytic":
        return analytic.AnalyticBackbone()
    adapters = {_family_name(adapter): adapter for adapter in FAMILIES.values() if adapter}
    adapter: Any = adapters[card.family]
    # one line of progress is the program's own
    transformers_logging.disable_progress_bar()
    diffusers_logging.disable_progress_bar()
    return adapter.load(card, device=device, dtype=getattr(torch, dtype), options=options)
