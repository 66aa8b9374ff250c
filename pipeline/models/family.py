"""A model family: one object that says all that is known of models of one make, and that loads them.

It is found by the class that model_index.json names. A family from outside is such an object in a package of its own,
with an entry point in the group ``gigatile.models`` that is called as that class (or, for a family whose model needs no
files, as the model); see examples/outside.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch

from pipeline.models.attention.kernels import Options
from pipeline.models.card import Defaults, LatentGeometry, ModelCard
from pipeline.models.protocol import Backbone

CONTROLS, IMAGE_ADAPTER = "controls", "image_adapter"
"""what a model file can attach to a family beside LoRAs"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pass:
    """One forward pass of the denoiser over one tile."""

    height: int
    """latent pixels along y"""
    width: int
    neighbourhood: int | None = None
    """latent pixels a side of what a place attends to; None for a whole tile"""
    shows: int = 0
    """kinds of structure that ControlNets are shown"""
    imagines: bool = False
    """whether it has no coarse latent to begin from, so that a model with a generator runs that before"""


class Load(Protocol):
    """Makes a replica."""

    def __call__(self, card: ModelCard, *, device: str, dtype: torch.dtype, options: Options) -> Backbone:
        """On ``device`` (cpu or cuda), with weights in ``dtype``; ValueError, one line, where weights lack."""
        ...


def _say_nothing(_folder: Path, _index: dict[str, Any]) -> dict[str, Any]:
    return {}


def _no_kinds(_folder: Path, _index: dict[str, Any]) -> dict[str, Any]:
    return {}


def _no_parts(_index: dict[str, Any]) -> list[str]:
    return []


def _unreadable(folder: Path, _index: dict[str, Any]) -> Any:
    raise ValueError(f"model {folder.name}: its family reads no folders")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Family:
    """``folder`` holds a model in diffusers' format; ``index`` is what its model_index.json says."""

    name: str
    """as cards and errors have it"""
    load: Load
    class_names: tuple[str, ...] = ()
    """pipelines of model_index.json that it runs the parts of"""
    controlled: tuple[str, ...] = ()
    """and those with a ControlNet of their own, which a model file reads: folders do not say what it is shown"""
    card: ModelCard | None = None
    """of a model that needs no files, which is then asked for by the family's name"""
    parts: Callable[[dict[str, Any]], list[str]] = _no_parts
    """configs that must be there, relative to the folder"""
    weighted_parts: Callable[[dict[str, Any]], list[str]] = _no_parts
    """folders of parts with weights"""
    kinds: Callable[[Path, dict[str, Any]], dict[str, Any]] = _no_kinds
    """folder of each part that has weights -> the class of its network"""
    read_geometry: Callable[[Path, dict[str, Any]], LatentGeometry] = _unreadable
    """from the configs; raises ValueError, one line, where the parts do not fit each other, KeyError for a missing
    setting"""
    read_defaults: Callable[[Path, dict[str, Any]], Defaults] = _unreadable
    """likewise"""
    facts: Callable[[Path, dict[str, Any]], dict[str, Any]] = _say_nothing
    """further fields of the ModelCard that are this family's alone"""
    networks: Callable[[Path], dict[str, Any]] | None = None
    """part -> its network on the meta device: what a LoRA can change; None where nothing can be attached"""
    attaches: frozenset[str] = frozenset()
    """of CONTROLS and IMAGE_ADAPTER"""
    reads_single_files: bool = False
    """whether all weights may be in one file, as Stable Diffusion's authors published them"""
    is_distilled_by_name: bool = False
    """whether models of few steps are known by their schedulers and names: see files/few_steps.py"""
    count_pass: Callable[[Path, int, Pass], int] | None = None
    """FLOPs of one pass, one tile, one branch, with so many tokens; None for a family that is not counted"""
    count_codec: Callable[[Path, str, int, int], int] | None = None
    """FLOPs of the autoencoder's ``encoder`` or ``decoder`` over ``height x width`` latent pixels"""
    count_restoration: Callable[[Path, int, int, bool], int] | None = None
    """FLOPs of the restoration module over ``height x width`` input pixels, with or without detail drawn for it"""

    @property
    def names(self) -> tuple[str, ...]:
        """What it is found by."""
        return (*self.class_names, *self.controlled, *([self.name] if self.card is not None else []))
