"""Which places read which, an axis at a time: steps, rows of regions, columns of regions.

Whatever a region reads is a box, and a box is rows by columns. So a relation between all regions is two short tables,
one an axis, and what reads a place is looked up in the same tables turned round.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

Places = Sequence[int]
"""places along an axis, ascending"""


class Extent(NamedTuple):
    """How many there are of one kind of task or item: a grid of places at each step."""

    steps: int
    rows: int
    cols: int

    @property
    def places(self) -> int:
        return self.rows * self.cols


@dataclass(frozen=True, slots=True)
class Axis:
    """One axis of a relation."""

    reads: tuple[Places, ...]
    """what each reader's place reads"""
    read_by: tuple[Places, ...]
    """who reads each place: the same, turned round"""

    @classmethod
    def of(cls, reads: Sequence[Places], num_read: int) -> Axis:
        """From what each reader's place reads, of ``num_read`` places."""
        read_by: list[list[int]] = [[] for _ in range(num_read)]
        for reader, places in enumerate(reads):
            for place in places:
                read_by[place].append(reader)
        return cls(reads=tuple(reads), read_by=tuple(tuple(readers) for readers in read_by))

    def spread(self, flags: np.ndarray) -> np.ndarray:
        """Places that flagged readers read: bool [readers, n] -> bool [read, n]."""
        reached = np.zeros((len(self.read_by), flags.shape[1]), dtype=bool)
        for flagged, places in zip(flags, self.reads, strict=True):
            reached[list(places)] |= flagged
        return reached


def turned(reads: Sequence[Places], num_read: int) -> tuple[Places, ...]:
    """Who reads each of ``num_read`` places.

    >>> turned([(0, 1), (1,)], 3)
    ((0,), (0, 1), ())
    """
    return Axis.of(reads, num_read).read_by


def through(reads: Sequence[Places], reads_next: Sequence[Places]) -> list[Places]:
    """What is read by what each place reads.

    >>> through([(0,), (0, 1)], [(3,), (3, 5)])
    [(3,), (3, 5)]
    """
    return [tuple(sorted({far for place in places for far in reads_next[place]})) for places in reads]
