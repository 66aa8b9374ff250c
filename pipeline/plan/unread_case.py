"""What a user asked for and what became of it, and what says that nobody reads it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from pipeline.models.files.model_file import ModelFile

from .flat import dotted
from .plan import Plan
from .presets import PRESETS
from .recipe import Recipe


@dataclass(frozen=True, kw_only=True)
class Case:
    """What a user asked for and what became of it."""

    asked: Recipe
    """the preset, the file and the command line together, before any model is known"""
    plans: tuple[Plan, ...]
    """of every stage"""
    options: Mapping[str, Any] = field(default_factory=dict)
    """options of the command line by name, where they are not the defaults"""
    file: ModelFile | None = None
    """what is attached to the model"""
    memory_scale: int | None = None
    """the scale that a memory of textures was made for"""
    brightest: int | None = None
    """the largest value of the user's map of difficulty"""

    @property
    def plan(self) -> Plan:
        return self.plans[-1]

    @property
    def recipe(self) -> Recipe:
        return self.plan.recipe

    @property
    def is_text(self) -> bool:
        return self.plan.stage.from_text

    @property
    def is_single(self) -> bool:
        """A picture from words, made in one stage: there is no picture before it."""
        return self.is_text and len(self.plans) == 1

    @cached_property
    def beyond_preset(self) -> frozenset[str]:
        """Settings that the user asked for and that the preset does not say so itself."""
        base = PRESETS[self.asked.name].recipe if self.asked.name in PRESETS else Recipe()
        plain = base.values()
        return frozenset(name for name, value in self.asked.values().items() if value != plain[name])

    def is_given(self, setting: str) -> bool:
        """Whether the user asked for it, beyond the preset."""
        if setting.startswith("-"):
            return setting in self.options
        return dotted(setting) in self.beyond_preset

    def all(self, holds: Callable[[Plan], bool]) -> bool:
        """Of the plans of all stages."""
        return all(holds(plan) for plan in self.plans)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One setting, when nobody reads it, and why."""

    setting: str
    when: Callable[[Case], bool]
    why: str | Callable[[Case], str]
    is_words: bool = False
    """whether it speaks of the preset's own too"""

    def line(self, case: Case) -> str:
        why = self.why if isinstance(self.why, str) else self.why(case)
        return f"{self.setting} changes nothing here: {why}" if not self.is_words else f"{self.setting}: {why}"
