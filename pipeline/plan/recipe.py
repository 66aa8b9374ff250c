"""Recipes: what to do, apart from any image or model."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pipeline.geometry.settings import Dilated, Tiles
from pipeline.models.settings import Codec, ImagePrompts, Model, Structure
from pipeline.prompts.settings import Prompts
from pipeline.sampling.settings import Difficulty, Guidance, Sampling
from pipeline.settings import Section, Setting, by_name

from .flat import FLAT, dotted
from .rules import check_recipe
from .settings import Run, Stages

SECTIONS: tuple[type[Section], ...] = (
    Tiles,
    Sampling,
    Prompts,
    Difficulty,
    Guidance,
    Stages,
    Dilated,
    Structure,
    ImagePrompts,
    Codec,
    Model,
    Run,
)
"""in the order in which they are listed"""
SETTINGS: dict[str, Setting] = by_name(SECTIONS)
"""every setting by its name, ``section.field``"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """What to do. A field left at None takes the model's own default when the recipe is bound to a model.

    Each section is a value of the room that reads it. Raises ValueError, one line, with the setting that cannot be.
    """

    name: str = "multidiffusion"
    """the preset it started from, for people"""
    tiles: Tiles = field(default_factory=Tiles)
    sampling: Sampling = field(default_factory=Sampling)
    prompts: Prompts = field(default_factory=Prompts)
    difficulty: Difficulty = field(default_factory=Difficulty)
    guidance: Guidance = field(default_factory=Guidance)
    stages: Stages = field(default_factory=Stages)
    dilation: Dilated = field(default_factory=Dilated)
    structure: Structure = field(default_factory=Structure)
    image_prompts: ImagePrompts = field(default_factory=ImagePrompts)
    codec: Codec = field(default_factory=Codec)
    model: Model = field(default_factory=Model)
    run: Run = field(default_factory=Run)

    def __post_init__(self) -> None:
        check_recipe(self, SETTINGS)

    def value(self, setting: str) -> Any:
        """What a setting says: ``section.field``, or the flat name of the release before.

        >>> Recipe().value("tiles.blend"), Recipe().value("blend"), Recipe().value("name")
        ('cosine', 'cosine', 'multidiffusion')
        """
        section, _, last = dotted(setting).rpartition(".")
        return getattr(getattr(self, section) if section else self, last)

    def values(self) -> dict[str, Any]:
        """What every setting says, by its name, ``section.field``."""
        return {name: getattr(getattr(self, one.section), one.field) for name, one in SETTINGS.items()}

    def with_settings(self, settings: Mapping[str, Any]) -> Recipe:
        """The recipe with other values of some settings, by the names that ``value`` takes.

        >>> Recipe().with_settings({"tiles.window": 64, "steps": 8}).sampling.steps
        8
        """
        tables: dict[str, dict[str, Any]] = {}
        for name, value in settings.items():
            section, _, last = dotted(name).rpartition(".")
            tables.setdefault(section, {})[last] = value
        plain = tables.pop("", {})
        sections = {name: dataclasses.replace(getattr(self, name), **table) for name, table in tables.items()}
        return dataclasses.replace(self, **plain, **sections)

    @classmethod
    def from_flat(cls, **settings: Any) -> Recipe:
        """A recipe of settings by either kind of name, the others at their defaults.

        >>> Recipe.from_flat(window=64).tiles.window
        64
        """
        return cls().with_settings(settings)

    def to_flat(self) -> dict[str, Any]:
        """Every setting by the flat name of the release before, which those added since do not have."""
        return {"name": self.name} | {flat: self.value(name) for flat, name in FLAT.items()}
