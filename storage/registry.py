"""Names and what is offered under them: what comes with gigatile, and what installed packages add by entry points.

An entry point is called as what it offers is asked for (a solver by its name, a model family by the class that
model_index.json names, a writer by its suffix), and is loaded when it is asked for and no sooner: one that is broken
hurts nobody else. It is code that somebody installed, so it needs no consent; the version of its package is told, for
the plans whose bytes hang on it.
"""

from __future__ import annotations

import importlib.metadata
import logging
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.metadata import EntryPoint
from typing import Any, Generic, TypeVar

log = logging.getLogger(__name__)

Thing = TypeVar("Thing")


@dataclass(frozen=True, slots=True, kw_only=True)
class Registry(Generic[Thing]):
    """All that is offered of one sort."""

    what: str
    """the sort, in a word: ``solver``"""
    group: str
    """of the entry points: ``gigatile.solvers``"""
    kind: type
    """what an entry point has to be"""
    built_in: tuple[Thing, ...]
    """what comes with gigatile; no package takes the place of it"""
    names_of: Callable[[Thing], Iterable[str]]
    """the names that one of them answers to"""
    _found: dict[EntryPoint, Thing] = field(default_factory=dict, repr=False, compare=False)
    """what was asked for"""
    _warned: set[str] = field(default_factory=set, repr=False, compare=False)

    def find(self, name: str) -> Thing | None:
        """What is offered under ``name``; None where nobody offers it.

        Raises ValueError, one line that names the package, where two offer it, or where what is installed cannot be
        loaded or is not what it should be.
        """
        outside = self._outside(name)
        for thing in self.built_in:
            if name in self.names_of(thing):
                self._warn(name, outside)
                return thing
        if len(outside) > 1:
            raise ValueError(
                f"{self.what} {name!r} is offered by {' and by '.join(map(_package, outside))}: uninstall all but one"
            )
        return self._load(outside[0]) if outside else None

    def names(self) -> tuple[str, ...]:
        """What can be asked for, gigatile's own first; loads nothing."""
        built_in = [name for one in self.built_in for name in self.names_of(one)]
        return tuple(dict.fromkeys([*built_in, *sorted(one.name for one in _entry_points(self.group))]))

    def packages(self, name: str) -> dict[str, str]:
        """The package that offers ``name``, with its version; empty where gigatile itself does, or nobody."""
        if any(name in self.names_of(one) for one in self.built_in):
            return {}
        return {one.dist.name: one.dist.version for one in self._outside(name) if one.dist is not None}

    @contextmanager
    def blaming(self, name: str) -> Iterator[None]:
        """Turn what another package's ``name`` raises, but for errors that are for users, into one that names it."""
        try:
            yield
        except (ValueError, OSError):
            raise
        except Exception as e:
            packages = " and ".join(f"{key} {version}" for key, version in self.packages(name).items())
            if not packages:
                raise
            raise ValueError(
                f"{self.what} {name!r} of the package {packages} failed ({_reason(e)}): mend the package, or "
                "uninstall it"
            ) from e

    def known(self) -> tuple[Thing, ...]:
        """gigatile's own, and what was asked for before in this process."""
        return (*self.built_in, *self._found.values())

    def _outside(self, name: str) -> list[EntryPoint]:
        return [one for one in _entry_points(self.group) if one.name == name]

    def _warn(self, name: str, outside: list[EntryPoint]) -> None:
        if outside and name not in self._warned:
            self._warned.add(name)
            log.warning(
                "%s %r of %s is not used: gigatile has one of that name; rename the entry point",
                self.what,
                name,
                " and of ".join(map(_package, outside)),
            )

    def _load(self, entry: EntryPoint) -> Thing:
        where = f"{self.what} {entry.name!r} of {_package(entry)}"
        try:
            loaded: Any = entry.load()
        # whatever an import of somebody else's code may raise; it is the cause of ours
        except (Exception, SystemExit) as e:
            raise ValueError(f"{where} cannot be loaded ({_reason(e)}): mend the package, or uninstall it") from e
        is_right: bool = isinstance(loaded, self.kind)
        if not is_right:
            raise ValueError(
                f"{where}: {entry.value} is a {type(loaded).__name__}, expected a {self.kind.__name__} of "
                f"{self.kind.__module__}: mend the package, or "
                "uninstall it"
            )
        thing: Thing = loaded
        if entry.name not in self.names_of(thing):
            raise ValueError(
                f"{where} says of itself that it is {', '.join(self.names_of(thing)) or 'nothing'}: call its entry "
                "point alike"
            )
        self._found[entry] = thing
        return thing


def _reason(error: BaseException) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split()) or 'no reason given'}"


def _package(entry: EntryPoint) -> str:
    return "an unnamed package" if entry.dist is None else f"the package {entry.dist.name} {entry.dist.version}"


def _entry_points(group: str) -> tuple[EntryPoint, ...]:
    return _entry_points_on(group, tuple(sys.path))


@lru_cache(maxsize=64)
def _entry_points_on(group: str, _path: tuple[str, ...]) -> tuple[EntryPoint, ...]:
    """All of a group; looking takes some milliseconds, and nothing is installed while a process runs."""
    return tuple(importlib.metadata.entry_points(group=group))
