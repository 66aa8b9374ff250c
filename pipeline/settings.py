"""Settings that users choose: fields of frozen values, each with what it means, may be, needs and excludes.

Checks, the help of the command line and the tables of docs/recipes.md are derived from what stands beside each field.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, cast

WITHOUT, SPREAD = "without", "spread"
"""what the first stage of a picture from words does with a setting: it goes ``without``, or does so unless that stage
is the whole picture, of many windows (``spread``); left empty, it has it as every stage does"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """That another setting is one of some values, or above a number."""

    setting: str
    """the other one, ``section.field``"""
    among: tuple[Any, ...] = ()
    above: float | None = None
    why: str = ""
    """for people, where the condition does not say it by itself"""

    def holds(self, value: Any) -> bool:
        """Of a value of the other setting, which is not open.

        >>> where("difficulty.activity", "groups").holds("all"), above("dilation.power", 0).holds(1.0)
        (False, True)
        """
        return bool(value in self.among if self.above is None else value > self.above)

    def __str__(self) -> str:
        """
        >>> str(where("stages.lift", "mixed")), str(where("model.compile", True)), str(above("dilation.power", 0))
        ("stages.lift = 'mixed'", 'model.compile = true', 'dilation.power above 0')
        """
        if self.above is not None:
            return f"{self.setting} above {self.above:g}"
        return f"{self.setting} = {' or '.join(show(one) for one in self.among)}"


def where(setting: str, *among: Any, why: str = "") -> Condition:
    """That ``setting`` is one of ``among``."""
    return Condition(setting=setting, among=among, why=why)


def above(setting: str, least: float, why: str = "") -> Condition:
    """That ``setting`` is more than ``least``."""
    return Condition(setting=setting, above=least, why=why)


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What stands beside a field."""

    meaning: str
    unit: str = ""
    choices: tuple[str, ...] = ()
    offered: Callable[[], tuple[str, ...]] | None = None
    """choices and what other packages offer beside them, asked for when a value is none of ``choices``"""
    least: float | None = None
    above: float | None = None
    """in place of ``least``: all that is more"""
    most: float | None = None
    neutral: tuple[Any, ...] = ()
    """values that ask for nothing, so that they need and exclude nothing"""
    needs: tuple[Condition, ...] = ()
    """refused otherwise; a setting that is open passes until it is bound"""
    late: bool = False
    """whether ``needs`` are looked at only when the recipe is bound, since what goes beside it can change the others"""
    read_with: tuple[Condition, ...] = ()
    """without effect otherwise, at whichever stage"""
    excludes: tuple[Condition, ...] = ()
    """refused where one holds"""
    requires: str = ""
    """what the model, the device or the command line must have for it, for people"""
    first: str = ""
    """what the first stage of a picture from words does with it: WITHOUT or SPREAD"""
    plain: Any = None
    """what the first stage has instead"""

    def asks(self, value: Any) -> bool:
        """Whether a value asks for anything."""
        return value not in self.neutral

    @property
    def bounds(self) -> str:
        """What a number may be, in words; empty for what is no number.

        >>> About(meaning="", above=0, most=1).bounds, About(meaning="", least=1).bounds
        ('above 0 and at most 1', 'at least 1')
        """
        if self.least is not None and self.most is not None:
            return f"between {self.least} and {_number(self.most)}"
        if self.above is not None:
            return f"above {self.above}" + ("" if self.most is None else f" and at most {_number(self.most)}")
        return "" if self.least is None else f"at least {self.least}"

    def check(self, name: str, value: Any) -> None:
        """Raise ValueError where a value is none of the choices or out of bounds; None passes."""
        if self.choices and value is not None and value not in self.choices:
            known = self.choices if self.offered is None else self.offered()
            if value not in known:
                raise ValueError(f"recipe: {name} must be one of {', '.join(known)}, got {value!r}")
        if not self.bounds or value is None:
            return
        low = -math.inf if self.least is None else self.least
        high = math.inf if self.most is None else self.most
        # put so that it refuses nan too
        if not (low <= value <= high and value < math.inf and (self.above is None or value > self.above)):
            finite = "finite and " if math.isinf(value) and self.most is None else ""
            raise ValueError(f"recipe: {name} must be {finite}{self.bounds}, got {value}")


def setting(default: Any, meaning: str, *, neutral: tuple[Any, ...] | None = None, **about: Any) -> Any:
    """A field with its default and what stands beside it; see About. Its default asks for nothing if not said."""
    beside = {"neutral": (default,) if neutral is None else neutral, "plain": default, **about}
    return field(default=default, metadata={"about": About(meaning=" ".join(meaning.split()), **beside)})


class Section:
    """A frozen value whose every field is a setting: checked when it is made, with whole numbers made floats."""

    __slots__ = ()
    section: ClassVar[str]
    """its name in a recipe"""

    def __post_init__(self) -> None:
        for entry in settings_of(type(self)):
            value = getattr(self, entry.field)
            if entry.open is False and value is None:
                raise ValueError(f"recipe: {entry.name} must be given, got None")
            entry.about.check(entry.name, value)
            if (exact := entry.as_float(value)) is not value:
                object.__setattr__(self, entry.field, exact)


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """A field of a section, by the name that users write."""

    section: str
    field: str
    kind: str
    """its type, without None"""
    open: bool
    """whether it may be None, which leaves it to the model"""
    default: Any
    about: About

    @property
    def name(self) -> str:
        return f"{self.section}.{self.field}"

    def as_float(self, value: Any) -> Any:
        """A whole number where a float is meant becomes one, so that equal recipes have equal records."""
        if self.kind == "float" and type(value) is int:
            return float(value)
        if self.kind.startswith("tuple[float") and value is not None and any(type(one) is not float for one in value):
            return tuple(float(one) for one in value)
        return value


def settings_of(section: type[Section]) -> tuple[Setting, ...]:
    """The settings of a section, in their order."""
    return _read_settings(cast(Any, section))


@functools.cache
def _read_settings(section: Any) -> tuple[Setting, ...]:
    return tuple(
        Setting(
            section=section.section,
            field=entry.name,
            kind=str(entry.type).removesuffix(" | None"),
            open=str(entry.type).endswith(" | None"),
            default=entry.default,
            about=entry.metadata["about"],
        )
        for entry in dataclasses.fields(section)
    )


def by_name(sections: Iterable[type[Section]]) -> dict[str, Setting]:
    """All settings of some sections by their names, ``section.field``."""
    return {one.name: one for section in sections for one in settings_of(section)}


def check_needs(values: Mapping[str, Any], settings: Mapping[str, Setting], *, late: bool = False) -> None:
    """Refuse settings that would not be read, and those that exclude one another, with ValueError.

    ``values`` and ``settings``: all, by name. ``late``: of the settings whose needs are known when a recipe is bound.
    """
    for name, entry in settings.items():
        about, value = entry.about, values[name]
        if about.late != late or not about.asks(value):
            continue
        for need in about.needs:
            other = values[need.setting]
            if other is not None and not need.holds(other):
                raise ValueError(_unmet(name, value, need, other))
        for clash in about.excludes:
            other = values[clash.setting]
            if other is not None and clash.holds(other):
                because = f": {clash.why}" if clash.why else ""
                raise ValueError(
                    f"recipe: {name} = {show(value)} and {clash.setting} = {show(other)} exclude one another{because}; "
                    "leave one of them out"
                )


def _unmet(name: str, value: object, need: Condition, other: object) -> str:
    because = f" ({need.why})" if need.why else ""
    return (
        f"recipe: {name} = {show(value)} is read with {need} only, got {need.setting} = {show(other)}{because}: "
        f"choose that, or leave {name} out"
    )


def show(value: Any) -> str:
    """A value as a user writes it.

    >>> show(True), show("a"), show((1, 2)), show(0.5), show(None)
    ('true', "'a'", '[1, 2]', '0.5', 'open')
    """
    if value is None:
        return "open"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return f"[{', '.join(show(one) for one in value)}]"
    return f"{value:g}" if isinstance(value, float) else repr(value)


def _number(value: float) -> str:
    """
    >>> _number(2**63 - 1), _number(16)
    ('2^63 - 1', '16')
    """
    return "2^63 - 1" if value == 2**63 - 1 else f"{value:g}"
