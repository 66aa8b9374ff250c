"""Sets of tasks or items that hold a bit for each there can be, and nothing else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableSet
from typing import Any, TypeVar

import numpy as np

from .relations import Extent, Places
from .task import Item, Task

Mark = TypeVar("Mark", Task, Item)


class Marks(MutableSet[Mark]):
    """A set of tasks, or of items, of one plan; kinds and numbers beyond its extents are never in it.

    Iterates kind by kind, step by step, row-major.
    """

    def __init__(
        self, make: Callable[[Any, int, int], Mark], extents: Mapping[str, Extent], marks: Iterable[Mark] = ()
    ) -> None:
        """``make``: Task or Item; ``extents``: of the kinds that it may hold."""
        self._extents = extents
        self._make: Callable[[Any, int, int], Mark] = make
        self._sizes = {kind: (each.steps, each.places, -(-each.places // 8)) for kind, each in extents.items()}
        """steps, places, and bytes of a step"""
        self._bytes = {kind: bytearray(steps * width) for kind, (steps, _, width) in self._sizes.items()}
        self.num = Counter[str]()
        """how many there are of each kind"""
        for mark in marks:
            self.add(mark)

    def copy(self) -> Marks[Mark]:
        """The same set; what is added to one is not in the other."""
        other: Marks[Mark] = Marks(self._make, self._extents)
        other._bytes = {kind: bytearray(data) for kind, data in self._bytes.items()}
        other.num = self.num.copy()
        return other

    def _find(self, mark: tuple[str, int, int]) -> tuple[str, int, int] | None:
        """Kind, byte and bit; None for what can never be in the set."""
        kind, step, place = mark
        steps, places, width = self._sizes.get(kind, (0, 0, 0))
        if not (0 <= step < steps and 0 <= place < places):
            return None
        return kind, step * width + (place >> 3), 1 << (place & 7)

    def __contains__(self, mark: object) -> bool:
        """Asked some ten times a task: nothing is called."""
        if not isinstance(mark, tuple):
            return False
        kind, step, place = mark
        steps, places, width = self._sizes.get(kind, (0, 0, 0))
        if not (0 <= step < steps and 0 <= place < places):
            return False
        return bool(self._bytes[kind][step * width + (place >> 3)] >> (place & 7) & 1)

    def has_all(self, kind: str, steps: Places, rows: Places, cols: Places) -> bool:
        """Whether it holds every place at some rows and columns of some steps, all of them within the plan."""
        data, width, across = self._bytes[kind], self._sizes[kind][2], self._extents[kind].cols
        for step in steps:
            start = step * width
            for row in rows:
                first = row * across
                for col in cols:
                    place = first + col
                    if not data[start + (place >> 3)] >> (place & 7) & 1:
                        return False
        return True

    def has_any(self, kind: str, steps: Places, rows: Places, cols: Places) -> bool:
        """Whether it holds any place at some rows and columns of some steps, all of them within the plan."""
        data, width, across = self._bytes[kind], self._sizes[kind][2], self._extents[kind].cols
        for step in steps:
            start = step * width
            for row in rows:
                first = row * across
                for col in cols:
                    place = first + col
                    if data[start + (place >> 3)] >> (place & 7) & 1:
                        return True
        return False

    def places(self, kind: str, step: int, rows: Places, cols: Places) -> Iterator[int]:
        """The places that it holds of those at some rows and columns, row-major."""
        data, width, across = self._bytes[kind], self._sizes[kind][2], self._extents[kind].cols
        start = step * width
        for row in rows:
            first = row * across
            for col in cols:
                place = first + col
                if data[start + (place >> 3)] >> (place & 7) & 1:
                    yield place

    def add(self, mark: Mark) -> None:
        """Raises IndexError for what lies beyond the plan."""
        place = self._find(mark)
        if place is None:
            raise IndexError(f"{mark} lies beyond the plan")
        kind, byte, bit = place
        if not self._bytes[kind][byte] & bit:
            self._bytes[kind][byte] |= bit
            self.num[kind] += 1

    def discard(self, mark: Mark) -> None:
        place = self._find(mark)
        if place is not None and self._bytes[place[0]][place[1]] & place[2]:
            self._bytes[place[0]][place[1]] &= ~place[2]
            self.num[place[0]] -= 1

    def __len__(self) -> int:
        return self.num.total()

    def __iter__(self) -> Iterator[Mark]:
        for kind, extent in self._extents.items():
            for step in range(extent.steps if self.num[kind] else 0):
                yield from self.of_step(kind, step)

    def of_step(self, kind: str, step: int) -> list[Mark]:
        """Those of one kind and step."""
        return [self._make(kind, step, int(place)) for place in np.flatnonzero(self.layer(kind, step))]

    def layer(self, kind: str, step: int) -> np.ndarray:
        """Those of one kind and step, as bool [rows, cols]."""
        extent, (_, _, width) = self._extents[kind], self._sizes[kind]
        data = np.frombuffer(self._bytes[kind], dtype=np.uint8, count=width, offset=step * width)
        bits = np.unpackbits(data, count=extent.places, bitorder="little")
        return bits.astype(bool).reshape(extent.rows, extent.cols)

    def set_layer(self, kind: str, step: int, layer: np.ndarray) -> None:
        """Make those of one kind and step what bool [rows, cols] says."""
        _, _, width = self._sizes[kind]
        self.num[kind] += int(layer.sum()) - int(self.layer(kind, step).sum())
        self._bytes[kind][step * width : (step + 1) * width] = np.packbits(layer.ravel(), bitorder="little").tobytes()

    @classmethod
    def _from_iterable(cls, it: Iterable[Any]) -> set[Any]:
        """What ``&`` and its like give: a plain set."""
        return set(it)
