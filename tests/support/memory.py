"""Models that are read again and again while tests run: each network is compared, and each replica loaded, once.

What is remembered goes by the bytes of the files, so that a damaged or another file is read as if nothing were known;
replicas keep nothing from one task to the next, which is why runs may share them. Processes of their own (Ray's
workers, what is killed, every command that a test starts) read for themselves.
"""

from __future__ import annotations

import copy
import dataclasses
import sys
from collections import OrderedDict
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Any

import pytest

from pipeline.models import registry
from pipeline.models.card import ModelCard
from pipeline.models.files import strictness
from pipeline.models.protocol import Backbone

OURS = ("pipeline.", "actors.", "cluster.", "tests.support.")
"""how the names of modules begin that load models for runs"""


class Memory:
    """The latest results of a function, by keys."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._known: OrderedDict[Hashable, Any] = OrderedDict()

    def get(self, key: Hashable, make: Callable[[], Any]) -> Any:
        if key not in self._known:
            self._known[key] = make()
            if len(self._known) > self._most:
                self._known.popitem(last=False)
        self._known.move_to_end(key)
        return self._known[key]


compare, load_backbone = strictness._compare, registry.load_backbone
compared, loaded = Memory(500), Memory(8)


def compare_once(kind: Any, part: Path, shapes: dict[str, tuple[int, ...]], options: dict[str, Any]) -> Any:
    config = (part / "config.json").read_bytes()
    key = (kind, config, tuple(shapes.items()), repr(options))
    return copy.deepcopy(compared.get(key, lambda: compare(kind, part, shapes, options)))


def load_once(card: ModelCard, **options: Any) -> Backbone:
    """By the fingerprint, which is of all files, wherever they lie."""
    key = (repr(dataclasses.replace(card, name="", location="")), repr(sorted(options.items())))
    found: Backbone = loaded.get(key, lambda: load_backbone(card, **options))
    # whoever puts another network in its place does so for itself
    return copy.copy(found)


def install(patch: pytest.MonkeyPatch) -> None:
    """In all that was imported by now, but not in the tests themselves: they may change what they load."""
    patch.setattr(strictness, "_compare", compare_once)
    for name, module in list(sys.modules.items()):
        if name.startswith(OURS) and name != __name__ and vars(module).get("load_backbone") is load_backbone:
            patch.setattr(module, "load_backbone", load_once)
